// Makes a durable queue in RabbitMQ, by its management API. It tries for a minute, since the API begins after the broker.
//   node queue.mjs http://rabbitmq:15672 <queue> <file with the password of the user conductor>
import { readFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';

const [api, queue, passwordFile] = process.argv.slice(2);
const [password] = readFileSync(passwordFile, 'utf8').split('\n');
const user = process.env.BROKER_USER ?? 'conductor';
const request = {
  method: 'PUT',
  headers: {
    authorization: `Basic ${btoa(`${user}:${password}`)}`,
    'content-type': 'application/json',
  },
  body: JSON.stringify({ durable: true, arguments: { 'x-queue-type': 'quorum' } }),
};

const end = Date.now() + 60_000;
for (;;) {
  try {
    const { ok, status } = await fetch(`${api}/api/queues/%2F/${encodeURIComponent(queue)}`, request);
    if (ok) break;
    if (status < 500) throw new Error(`RabbitMQ refuses the queue ${queue}: ${status}`);
  } catch (error) {
    if (!(error instanceof TypeError) || Date.now() > end) throw error;
  }
  await pause(500);
}
process.stdout.write(`the queue ${queue} is there\n`);

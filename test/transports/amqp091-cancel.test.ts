import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { type AddressInfo, connect as connectTcp, createServer, type Socket } from 'node:net';
import { connect } from 'amqplib';
import ava, { type ExecutionContext } from 'ava';
import { make } from '../conformance/subjects/subject.ts';
import { frame } from '../support/amqp091-bytes.ts';
import { needs, service } from '../support/services.ts';
import { waitFor } from '../support/wait.ts';

/** Why the broker ends a consumer. RabbitMQ from 4.3 on does so over a consumer that keeps messages for too long. */
const test = needs(ava, 'rabbitmq');

/** basic.consume-ok and basic.cancel (AMQP 0-9-1, section 1.8.3): class and method. */
const [consumeOk, cancel] = [Buffer.of(0, 60, 0, 21), Buffer.of(0, 60, 0, 30)];

/** A relay to the broker. `cancel` sends to the client what the broker does when it cancels the last consumer. */
async function startRelay(t: ExecutionContext, port: number) {
  const sockets = new Set<Socket>();
  let last: { client: Socket; channel: number; tag: Buffer } | undefined;
  const server = createServer((client) => {
    const broker = connectTcp(port, '127.0.0.1');
    for (const socket of [client, broker]) {
      sockets.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => {
        client.destroy();
        broker.destroy();
      });
    }
    client.pipe(broker);
    broker.on('data', (bytes) => {
      const at = bytes.indexOf(consumeOk);
      if (at >= 7) {
        const tagAt = at + consumeOk.length;
        const tag = bytes.subarray(tagAt, tagAt + 1 + (bytes[tagAt] ?? 0));
        last = { client, channel: bytes.readUInt16BE(at - 6), tag };
      }
      client.write(bytes);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const { port: own } = server.address() as AddressInfo;
  return {
    port: own,
    async cancel() {
      const consumer = await waitFor(() => last, { what: 'a consumer' });
      const payload = Buffer.concat([cancel, consumer.tag, Buffer.of(1)]);
      consumer.client.write(frame(1, consumer.channel, payload));
    },
  };
}

async function openVhost(t: ExecutionContext) {
  const broker = service('rabbitmq');
  const name = `cancel-${randomUUID()}`;
  const url = await broker.createVhost(name);
  t.teardown(() => broker.deleteVhost(name));
  return url;
}

test('amqp091: a consumer that is cancelled while its queue is there names consumer_timeout and park.after', async (t) => {
  const url = new URL(await openVhost(t));
  const relay = await startRelay(t, Number(url.port));
  url.port = String(relay.port);
  const session = await make('amqp091', { url: url.href }, 1).connect(() => false);
  await relay.cancel();
  t.regex(
    (await session.closed)?.message ?? '',
    /consumer of queue conductor, which is still there: .* park\.after below consumer_timeout$/,
  );
});

test('amqp091: a consumer whose queue is deleted says so', async (t) => {
  const url = await openVhost(t);
  const session = await make('amqp091', { url }, 1).connect(() => false);
  const administrator = await connect(url);
  await (await administrator.createChannel()).deleteQueue('conductor');
  await administrator.close();
  t.regex((await session.closed)?.message ?? '', /consumer of queue conductor, which was deleted$/);
});

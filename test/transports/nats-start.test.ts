import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { AckPolicy } from '@nats-io/jetstream';
import test from 'ava';
import { pino } from 'pino';
import { ConfigError } from '../../src/core/errors.ts';
import { startNats } from '../support/nats.ts';
import { freePort } from '../support/ports.ts';
import { needs } from '../support/services.ts';
import { waitFor } from '../support/wait.ts';
import { configure, open } from './nats-support.ts';

/** Stream and consumer as a session makes them, and as it refuses them. */

const natsTest = needs(test, 'nats');

natsTest('the session creates the stream and the consumer with the right configuration', async (t) => {
  const { id, manager, consume } = await open(t, { ackWait: 5000, expectedReplicas: 3 });
  await consume(50);
  const stream = await manager.streams.info(id);
  t.like(stream.config, { retention: 'workqueue', discard: 'new', storage: 'file', max_age: 0 });
  const { config } = await manager.consumers.info(id, 'conductor');
  t.like(config, { ack_policy: 'explicit', max_deliver: -1, ack_wait: 5e9, max_ack_pending: 150 });
});

for (const [why, config, message] of [
  ['gives messages up', { max_deliver: 3 }, /gives a message up after max_deliver 3: make it with -1/],
  ['forgets messages as it sends them', { ack_policy: AckPolicy.None }, /ack_policy none/],
  ['cannot be shared', { ack_policy: AckPolicy.All }, /ack_policy all/],
  ['pushes', { deliver_subject: 'pushed' }, /is a push consumer/],
  ['leaves the bodies out', { headers_only: true }, /headers only/],
  ['takes a message for lost at once', { ack_wait: 1e8 }, /ack_wait of 100 ms/],
] as const) {
  natsTest(`a consumer that ${why} is refused`, async (t) => {
    const { transport, addStream, addConsumer } = await open(t);
    await addStream();
    await addConsumer(config);
    const error = await t.throwsAsync(
      transport().connect(() => true),
      { instanceOf: ConfigError },
    );
    t.regex(error?.message ?? '', message);
  });
}

natsTest("a stream that does not store the guests' messages is refused", async (t) => {
  const { transport, addStream } = await open(t);
  await addStream({ subjects: [`other.${randomUUID()}`] });
  await t.throwsAsync(
    transport().connect(() => true),
    { instanceOf: ConfigError, message: /does not keep test\..*: add it to the stream's subjects/ },
  );
});

natsTest(
  'the session warns of settings that may lose messages or starve replicas, with the right value',
  async (t) => {
    const { addStream, addConsumer, consume, warnings } = await open(t, { expectedReplicas: 2 });
    await addStream({ max_age: 1e12, storage: 'memory', max_msgs: 10 });
    await addConsumer({ max_ack_pending: 10 });
    await consume(100);
    const all = warnings.join('');
    for (const what of [
      'max_age: set it to 0',
      'storage: set it to file',
      'max_msgs: set it to -1',
      'max_ack_pending starves replicas: set it to 200',
      'another ack_wait than 10000 ms',
    ])
      t.true(all.includes(what), `${what} in ${all}`);
  },
);

natsTest('a server without JetStream is refused in plain words', async (t) => {
  const server = await startNats({ settings: ['accounts { plain { users [{ user: a, password: b }] } }'] });
  t.teardown(server.stop);
  const transport = configure({ url: server.url, user: 'a', password: 'b' }).create({
    share: { messages: 1, bytes: 1000 },
    replica: 'test',
    logger: pino({ level: 'silent' }),
  });
  await t.throwsAsync(
    transport.connect(() => true),
    { instanceOf: ConfigError, message: /JetStream is not enabled/ },
  );
});

test('an attempt to connect to a server that says nothing leaves no connection open', async (t) => {
  let [came, present] = [0, 0];
  const server = createServer((socket) => {
    came += 1;
    present += 1;
    socket.on('close', () => {
      present -= 1;
    });
    socket.resume();
  });
  const port = await freePort();
  await once(server.listen(port, '127.0.0.1'), 'listening');
  t.teardown(() => server.close());
  const transport = configure({
    url: `nats://127.0.0.1:${port}`,
    connectTimeout: 300,
    stream: 's',
    subject: 's.*',
  }).create({ share: { messages: 1, bytes: 1000 }, replica: 'test', logger: pino({ level: 'silent' }) });
  for (let attempt = 1; attempt <= 2; attempt += 1)
    await t.throwsAsync(
      transport.connect(() => true),
      { message: /timeout/ },
    );
  t.is(came, 2);
  await waitFor(() => present === 0, { what: 'the connections to end' });
});

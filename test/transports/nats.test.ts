import { jetstream } from '@nats-io/jetstream';
import { headers } from '@nats-io/transport-node';
import test from 'ava';
import { pino } from 'pino';
import { NotConnected } from '../../src/core/errors.ts';
import type { Delivery } from '../../src/core/transport/contract.ts';
import { startProxy } from '../support/proxy.ts';
import { needs, service } from '../support/services.ts';
import { waitFor } from '../support/wait.ts';
import { arrive, configure, open, soon, texts } from './nats-support.ts';

const natsTest = needs(test, 'nats');

natsTest('a message that is held longer than ack_wait is not delivered again', async (t) => {
  const { consume, publish, manager, id } = await open(t, { ackWait: 1000 });
  const { session, deliveries } = await consume();
  await publish('long');
  await arrive(deliveries, 1);
  // Another one that is not held shows how time goes by for the server.
  const other = await open(t, { ackWait: 1000 });
  const frozen = await other.consume();
  await other.publish('lost');
  await arrive(frozen.deliveries, 1);
  const begin = performance.now();
  await waitFor(() => performance.now() - begin > 2500, { what: 'two and a half ack_wait' });
  t.deepEqual(texts(deliveries), ['long']);
  session.settle(deliveries, 'done');
  await waitFor(async () => (await manager.streams.info(id)).state.messages === 0, { what: 'the ack' });
});

natsTest('the messages of a replica that vanished are delivered again', async (t) => {
  const { id, consume, publish } = await open(t, { ackWait: 1000 });
  const proxy = await startProxy(service('nats').port);
  t.teardown(proxy.stop);
  const gone = await consume(100, () => true, { url: proxy.url(service('nats').url) });
  await publish('one', 'two');
  await arrive(gone.deliveries, 2);
  proxy.halfOpen();
  const next = await consume();
  await arrive(next.deliveries, 2);
  t.deepEqual(texts(next.deliveries).sort(), ['one', 'two'], id);
  t.true(next.deliveries.every(({ meta }) => meta.redelivered));
  next.session.settle(next.deliveries, 'done');
  // Or stopping would wait for an answer.
  proxy.cut();
});

natsTest('a message that is released while consuming is delivered again after a delay', async (t) => {
  const { consume, publish } = await open(t);
  const { session, deliveries } = await consume();
  await publish('again');
  await arrive(deliveries, 1);
  const begin = performance.now();
  session.settle(deliveries.slice(0, 1), 'release');
  await arrive(deliveries, 2);
  t.true(performance.now() - begin > 900);
  t.like(deliveries[1]?.meta, { redelivered: true });
  session.settle(deliveries.slice(1), 'done');
});

natsTest(
  'bodies that together exceed the memory arrive in parts, and one that exceeds it alone arrives alone',
  async (t) => {
    const { id, broker, transport } = await open(t);
    const deliveries: Delivery[] = [];
    await (await transport().connect(() => true)).stop(soon());
    const stream = jetstream(broker);
    const sizes = [300_000, 300_000, 900_000, 300_000, 300_000];
    for (const size of sizes) await stream.publish(`test.${id}.guest`, Buffer.alloc(size));
    const configured = configure({ url: service('nats').url, stream: id, subject: `test.${id}.*` });
    const session = await configured
      .create({
        share: { messages: 100, bytes: 700_000 },
        replica: 'test',
        logger: pino({ level: 'silent' }),
      })
      .connect((delivery) => {
        deliveries.push(delivery);
        return true;
      });
    await arrive(deliveries, 2);
    session.settle(deliveries.slice(0, 2), 'done');
    await arrive(deliveries, 3);
    session.settle(deliveries.slice(2), 'done');
    await arrive(deliveries, 5);
    t.deepEqual(
      deliveries.map(({ body }) => body.length),
      sizes,
    );
    session.settle(deliveries.slice(3), 'done');
    await session.stop(soon());
  },
);

natsTest('a deleted consumer ends the session', async (t) => {
  const { id, manager, consume } = await open(t, { ackWait: 1000 });
  const { session } = await consume();
  await manager.consumers.delete(id, 'conductor');
  const error = await session.closed;
  t.true(error instanceof NotConnected);
  t.regex(error?.message ?? '', /cannot pull from consumer conductor/);
});

natsTest('unknown headers are ignored', async (t) => {
  const { id, broker, consume } = await open(t);
  const { session, deliveries } = await consume();
  const strange = headers();
  strange.set('Conductor-Deadline', 'tomorrow');
  strange.set('X-Other', '');
  await jetstream(broker).publish(`test.${id}.guest`, 'x', { headers: strange });
  await arrive(deliveries, 1);
  t.like(deliveries[0]?.meta, { deadline: undefined, replyTo: undefined, sender: undefined });
  session.settle(deliveries, 'done');
});

import { randomUUID } from 'node:crypto';
import { AckPolicy, jetstream } from '@nats-io/jetstream';
import { headers } from '@nats-io/transport-node';
import test from 'ava';
import { pino } from 'pino';
import { ConfigError, NotConnected, Undeliverable } from '../../src/core/errors.ts';
import type { Reply } from '../../src/core/message/request.ts';
import type { Delivery } from '../../src/core/transport/contract.ts';
import { startNats } from '../support/nats.ts';
import { startProxy } from '../support/proxy.ts';
import { needs, service } from '../support/services.ts';
import { waitFor } from '../support/wait.ts';
import { arrive, configure, open, soon, texts } from './nats-support.ts';

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

natsTest('a call carries its headers, and its answer reaches the caller', async (t) => {
  const { consume, sender } = await open(t, { auth: { mode: 'subject' } });
  const { session, deliveries } = await consume();
  const replies: Reply[] = [];
  const caller = await sender().connect((reply) => replies.push(reply));
  t.teardown(() => caller.stop(soon()));
  const body = Buffer.from('question');
  const call = {
    sender: 'i-1',
    body,
    messageId: 'm1',
    replyTo: caller.replyTo,
    correlationId: 'c1',
    expiration: 60_000,
  };
  await caller.send(call);
  await caller.send(call);
  await arrive(deliveries, 1);
  const { meta } = deliveries[0] ?? {};
  t.like(meta, { sender: 'i-1', messageId: 'm1', replyTo: caller.replyTo, correlationId: 'c1' });
  const left = (meta?.deadline ?? 0) - performance.now();
  t.true(left > 50_000 && left <= 60_000, `${left}`);
  const to = { kind: 'reply', name: caller.replyTo ?? '' } as const;
  await session.publish({ to, body: Buffer.from('answer'), correlationId: 'c1' });
  await arrive(replies, 1);
  t.deepEqual(
    replies.map(({ body, correlationId }) => [Buffer.from(body).toString(), correlationId]),
    [['answer', 'c1']],
  );
  t.is(deliveries.length, 1, 'the same message id counts once');
  session.settle(deliveries, 'done');
});

natsTest('no answer goes to a subject of the server or to the subjects of proven guests', async (t) => {
  const { id, consume } = await open(t);
  const { session } = await consume();
  for (const name of [`$JS.API.STREAM.PURGE.${id}`, `test.${id}.i-2`, 'a.*', 'a b', ''])
    await t.throwsAsync(session.publish({ to: { kind: 'reply', name }, body: Buffer.from('x') }), {
      instanceOf: Undeliverable,
    });
  // Nobody is there: that is no failure.
  await t.notThrowsAsync(
    session.publish({ to: { kind: 'reply', name: '_INBOX.gone' }, body: Buffer.from('x') }),
  );
});

natsTest('a sender gets an error if no stream, or another stream, stores its message', async (t) => {
  const { id, sender, manager } = await open(t);
  const session = await sender().connect(() => {});
  t.teardown(() => session.stop(soon()));
  const message = { sender: 'i-1', body: Buffer.from('x'), messageId: 'm1' };
  await t.throwsAsync(session.send(message), {
    instanceOf: Undeliverable,
    message: /no stream keeps test\./,
  });
  const other = `other-${id}`;
  await manager.streams.add({ name: other, subjects: [`test.${id}.*`] });
  t.teardown(() => manager.streams.delete(other));
  await t.throwsAsync(session.send(message), { instanceOf: Undeliverable, message: /refuses the message/ });
  await t.throwsAsync(session.send({ ...message, sender: 'a.b' }), { instanceOf: Undeliverable });
});

natsTest('core NATS: a message is delivered once, and a message without a subscriber is lost', async (t) => {
  const { id, broker, consume, warnings } = await open(t, { jetstream: false, auth: { mode: 'subject' } });
  const publish = async (text: string) => {
    broker.publish(`test.${id}.guest`, text);
    await broker.flush();
  };
  await publish('before');
  const { session, deliveries } = await consume();
  t.true(warnings.join('').includes('AT MOST ONCE'));
  await publish('during');
  await arrive(deliveries, 1);
  t.like(deliveries[0]?.meta, { sender: 'guest', senderProof: 'subject', redelivered: false });
  session.settle(deliveries, 'release');
  await session.drain(soon());
  await publish('paused');
  session.resume();
  await waitFor(
    async () => {
      await publish('last');
      return texts(deliveries).includes('last');
    },
    { what: 'a message after it was resumed' },
  );
  t.deepEqual([...new Set(texts(deliveries))], ['during', 'last']);
});

natsTest(
  'core NATS: excess messages are dropped and reported, and a plain request is answered',
  async (t) => {
    let room = false;
    let refused = 0;
    const { id, broker, consume, warnings } = await open(t, { jetstream: false });
    const { session, deliveries } = await consume(100, () => {
      if (!room) refused += 1;
      return room;
    });
    for (let number = 0; number < 5; number += 1) broker.publish(`test.${id}.guest`, 'x');
    await broker.flush();
    // The publisher's server has them; the session reads them in its own time.
    await waitFor(() => refused > 0, { what: 'a message that there is no room for' });
    room = true;
    session.resume();
    const answer = await waitFor(
      async () => {
        const asking = broker.request(`test.${id}.guest`, 'question', { timeout: 300 });
        asking.catch(() => {});
        await waitFor(() => deliveries.some(({ meta }) => meta.replyTo), {
          what: 'the request',
          timeout: 250,
        });
        const name = deliveries.at(-1)?.meta.replyTo ?? '';
        await session.publish({ to: { kind: 'reply', name }, body: Buffer.from('answer') });
        return await asking;
      },
      { what: 'an answer' },
    );
    t.is(answer.string(), 'answer');
    await session.stop(soon());
    t.regex(warnings.join(''), /"dropped":[1-5].*the rest is lost/);
  },
);

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

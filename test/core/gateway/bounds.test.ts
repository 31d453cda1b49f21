import test from 'ava';
import { Broker, body, setUp, tick } from './support.ts';

test('a transport takes no more messages than its share; the broker keeps the rest', async (t) => {
  const { broker } = await setUp(t, { shares: [{ messages: 3 }] });
  await broker.publish('a', 'b', 'c', 'd', 'e');
  t.is(broker.inlet.counters.held, 3);
  t.is(broker.inlet.counters.received, 3);
  t.is(broker.transport.queue.length, 2);
  t.true(broker.session.paused);
});

test('a refused session is resumed once half of its share is free', async (t) => {
  const { workers, broker } = await setUp(t, { slots: 4, maxBatch: 1, shares: [{ messages: 4 }] });
  await broker.publish('a', 'b', 'c', 'd', 'e', 'f');
  t.is(workers.running.length, 4);
  await workers.running[0]?.finish();
  t.true(broker.session.paused);
  t.is(broker.inlet.counters.held, 3);
  await workers.running[0]?.finish();
  t.false(broker.session.paused);
  t.is(broker.inlet.counters.held, 4);
  t.deepEqual(broker.transport.queue, []);
});

test('a session is paused when its bodies fill its share of bytes, and resumed below half', async (t) => {
  const { workers, broker } = await setUp(t, { slots: 4, maxBatch: 1, shares: [{ bytes: 8 }] });
  await broker.publish('12', '34', '56');
  t.false(broker.session.paused);
  await broker.publish('78');
  t.true(broker.session.paused);
  await broker.publish('9');
  t.is(broker.inlet.counters.heldBytes, 8);
  t.is(broker.transport.queue.length, 1);
  await workers.running[0]?.finish();
  t.true(broker.session.paused);
  await workers.running[0]?.finish();
  t.false(broker.session.paused);
  t.is(broker.inlet.counters.heldBytes, 5);
});

test("a paused session's deliveries that were under way are refused", async (t) => {
  const { broker } = await setUp(t, { shares: [{ bytes: 4 }] });
  await broker.publish('1234');
  const late = { session: broker.session, body: body('5'), meta: { redelivered: false, receivedAt: 0 } };
  t.false(broker.inlet.deliver(late));
  t.is(broker.inlet.counters.held, 1);
});

test('one body that is larger than the share is taken, alone', async (t) => {
  const { workers, broker } = await setUp(t, { shares: [{ bytes: 4 }] });
  await broker.publish('a long body', 'b');
  t.is(broker.inlet.counters.held, 1);
  await workers.only.finish();
  await workers.only.finish();
  t.deepEqual(broker.settled('done'), ['a long body', 'b']);
});

test('a transport at its bound does not stop another transport', async (t) => {
  const { workers, brokers } = await setUp(t, { slots: 1, shares: [{ messages: 1 }, { messages: 1 }] });
  const [full, other] = brokers;
  await full?.publish('a', 'b');
  await other?.publish('c');
  t.true(full?.session.paused);
  t.false(other?.session.paused);
  t.is(other?.inlet.counters.held, 1);
  await workers.only.finish();
  t.deepEqual(workers.only.texts, ['c']);
});

test('a session that follows a full one has its whole share', async (t) => {
  const { workers, broker } = await setUp(t, { slots: 1, maxBatch: 1, shares: [{ messages: 2 }] });
  await broker.publish('a', 'b', 'c');
  t.true(broker.session.paused);
  broker.lose();
  await broker.connect();
  await tick();
  // What the last session left running counts until its outcome is there.
  t.is(broker.inlet.counters.held, 2);
  t.true(broker.session.paused);
  t.is(broker.transport.queue.length, 2);
  await workers.only.finish();
  t.is(broker.inlet.counters.held, 2);
  t.is(broker.transport.queue.length, 1);
  for (const _ of 'abc') await workers.only.finish();
  t.deepEqual(broker.settled('done'), ['a', 'b', 'c']);
});

test('a session that follows a paused one can be paused again', async (t) => {
  const { broker } = await setUp(t, { slots: 1, shares: [{ bytes: 10 }] });
  await broker.publish('ab');
  await broker.publish('12345678');
  t.true(broker.session.paused);
  broker.lose();
  t.is(broker.inlet.counters.heldBytes, 2);
  await broker.connect();
  t.is(broker.inlet.counters.heldBytes, 12);
  t.true(broker.session.paused);
});

test('two inlets of a transport share its counters, and each has its own bound', async (t) => {
  const { dispatcher, workers, broker } = await setUp(t, { shares: [{ messages: 3 }] });
  const { counters } = broker.inlet;
  const second = new Broker(
    'broker-0',
    dispatcher.inlet('broker-0', { messages: 2, bytes: 100 }, { counters }),
  );
  await second.connect();
  await broker.publish('a', 'b', 'c', 'd');
  await second.publish('1', '2', '3');
  t.deepEqual([broker.inlet.held, second.inlet.held, counters.held, counters.received], [3, 2, 5, 5]);
  second.lose();
  t.is(counters.unexplained, 0);
  while (workers.running.length > 0) await workers.running[0]?.finish();
  t.deepEqual([broker.inlet.held, second.inlet.held, counters.held], [0, 0, 0]);
  t.deepEqual([counters.outcomes.applied, counters.released, counters.unexplained], [4, 2, 0]);
  t.deepEqual(broker.settled('done'), ['a', 'b', 'c', 'd']);
  t.deepEqual(second.settled('done'), []);
});

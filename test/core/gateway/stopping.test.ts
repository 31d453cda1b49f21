import test from 'ava';
import { setUp } from './support.ts';

const never = new AbortController().signal;

test('a dispatcher without messages is idle', async (t) => {
  const { dispatcher } = await setUp(t);
  await t.notThrowsAsync(dispatcher.idle(never));
});

test('a dispatcher is idle once all its messages have outcomes', async (t) => {
  const { dispatcher, workers, brokers } = await setUp(t, { slots: 2, shares: [{}, {}] });
  let idle = false;
  await brokers[0]?.publish('a');
  void dispatcher.idle(never).then(() => {
    idle = true;
  });
  await brokers[1]?.publish('b');
  await workers.running[0]?.finish();
  t.false(idle);
  await workers.running[0]?.finish();
  t.true(idle);
});

test('a dispatcher is idle once the session of its messages has ended', async (t) => {
  const { dispatcher, workers, broker } = await setUp(t, { slots: 1 });
  await broker.publish('a');
  await broker.publish('b');
  const idle = dispatcher.idle(never);
  broker.lose();
  await workers.only.finish();
  await t.notThrowsAsync(idle);
});

test('the wait for an idle dispatcher ends at the deadline, or at once if the deadline has passed', async (t) => {
  const { dispatcher, broker } = await setUp(t);
  await broker.publish('a');
  const deadline = new AbortController();
  const idle = dispatcher.idle(deadline.signal);
  deadline.abort();
  await t.notThrowsAsync(idle);
  await t.notThrowsAsync(dispatcher.idle(deadline.signal));
  t.is(broker.inlet.counters.held, 1);
});

test('a stop releases waiting and running messages', async (t) => {
  const { dispatcher, workers, broker } = await setUp(t, { slots: 1 });
  await broker.publish('running');
  await broker.publish('waiting');
  dispatcher.stop();
  t.deepEqual(broker.settled('release').toSorted(), ['running', 'waiting']);
  t.is(workers.batches.length, 1);
  const { released, held, heldBytes, unexplained } = broker.inlet.counters;
  t.like({ released, held, heldBytes, unexplained }, { released: 2, held: 0, heldBytes: 0, unexplained: 0 });
});

test('results after the stop change nothing', async (t) => {
  const { dispatcher, workers, broker } = await setUp(t);
  await broker.publish('a');
  const { only } = workers;
  dispatcher.stop();
  await only.finish();
  t.deepEqual(broker.settled('done'), []);
  t.like(broker.inlet.counters, { released: 1, held: 0 });
  t.is(broker.inlet.counters.outcomes.applied, 0);
});

test('the dispatcher takes nothing after the stop', async (t) => {
  const { dispatcher, workers, broker } = await setUp(t);
  dispatcher.stop();
  await broker.publish('a');
  t.is(broker.inlet.counters.received, 0);
  t.is(broker.transport.queue.length, 1);
  t.deepEqual(workers.batches, []);
});

test('a second stop does nothing', async (t) => {
  const { dispatcher, broker } = await setUp(t);
  await broker.publish('a');
  dispatcher.stop();
  dispatcher.stop();
  t.deepEqual(broker.settled('release'), ['a']);
});

test('a stop ends the wait for an idle dispatcher', async (t) => {
  const { dispatcher, broker } = await setUp(t);
  await broker.publish('a');
  const idle = dispatcher.idle(never);
  dispatcher.stop();
  await t.notThrowsAsync(idle);
});

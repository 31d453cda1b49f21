import { mock } from 'node:test';
import ava from 'ava';
import { setUp, tick } from './support.ts';

/** Milliseconds that the dispatcher lets messages gather while a slot is free. */
const patience = 10;

const test = ava.serial;
// Timers stand still but where a test moves them, so that the machine's speed does not matter.
test.beforeEach(() => mock.timers.enable({ apis: ['setTimeout'] }));
test.afterEach.always(() => {
  mock.timers.reset();
  mock.restoreAll();
});

const numbers = (count: number, from = 0) => Array.from({ length: count }, (_, index) => `${from + index}`);

test('a lone message starts at once', async (t) => {
  const { workers, broker } = await setUp(t);
  await broker.publish('a');
  t.deepEqual(workers.texts, [['a']]);
});

test('messages of one round of the event loop form one batch', async (t) => {
  const { workers, broker } = await setUp(t);
  await broker.publish('a', 'b', 'c');
  t.deepEqual(workers.texts, [['a', 'b', 'c']]);
});

test('messages gather while a batch runs, and start together when it is done', async (t) => {
  const { workers, broker } = await setUp(t);
  await broker.publish('a');
  await broker.publish('b');
  await broker.publish('c');
  t.deepEqual(workers.texts, [['a']]);
  await workers.only.finish();
  t.deepEqual(workers.texts, [['a'], ['b', 'c']]);
});

test('a full batch does not wait for the running one, but the rest does', async (t) => {
  const { workers, broker } = await setUp(t);
  await broker.publish('a');
  await broker.publish(...numbers(9));
  t.is(workers.batches.length, 1);
  await broker.publish('9', 'left over');
  t.deepEqual(workers.texts, [['a'], numbers(10)]);
});

test('messages behind a stuck batch start after 10 ms', async (t) => {
  const { workers, broker } = await setUp(t);
  await broker.publish('stuck');
  await broker.publish('a', 'b');
  mock.timers.tick(patience - 1);
  t.is(workers.batches.length, 1);
  mock.timers.tick(1);
  t.deepEqual(workers.texts, [['stuck'], ['a', 'b']]);
});

/** A clock that only the test moves, with its timers. */
function standingClock() {
  let now = performance.now();
  mock.method(performance, 'now', () => now);
  return (milliseconds: number) => {
    now += milliseconds;
    mock.timers.tick(milliseconds);
  };
}

test('after a batch messages gather for as long again as it has taken, and a full batch does not wait', async (t) => {
  const pass = standingClock();
  const { workers, broker } = await setUp(t, { gathering: 3 });
  await broker.publish('a');
  pass(2);
  await workers.only.finish();
  await broker.publish('b');
  await broker.publish('c');
  pass(1);
  t.is(workers.batches.length, 1);
  await broker.publish(...numbers(8));
  t.deepEqual(workers.texts.at(-1), ['b', 'c', ...numbers(8)]);
  await broker.publish('d');
  pass(1);
  await tick();
  t.deepEqual(workers.texts.at(-1), ['d'], 'the time is over');
});

test('messages gather after a slow batch for no longer than the bound, and later a lone message starts at once', async (t) => {
  const pass = standingClock();
  const { workers, broker } = await setUp(t, { gathering: 3 });
  await broker.publish('slow');
  pass(500);
  await workers.only.finish();
  await broker.publish('a');
  pass(2);
  await tick();
  t.is(workers.batches.length, 1);
  pass(1);
  await tick();
  t.deepEqual(workers.texts, [['slow'], ['a']]);
  await workers.batches[1]?.finish();
  pass(4);
  await broker.publish('lone');
  t.deepEqual(workers.texts.at(-1), ['lone']);
});

test('messages do not gather after a batch if no further ones can come', async (t) => {
  const pass = standingClock();
  const { workers, broker } = await setUp(t, { gathering: 3, shares: [{ messages: 4 }] });
  await broker.publish('a');
  pass(5);
  await workers.only.finish();
  await broker.publish('b', 'c', 'd');
  t.is(workers.batches.length, 1);
  await broker.publish('e');
  t.deepEqual(workers.texts.at(-1), ['b', 'c', 'd', 'e']);
});

test('messages that have gathered beside a stuck batch start no later because another batch has ended', async (t) => {
  const pass = standingClock();
  const { workers, broker } = await setUp(t, { gathering: 3 });
  await broker.publish('stuck');
  await broker.publish(...numbers(10));
  t.is(workers.batches.length, 2);
  pass(8);
  await workers.batches[1]?.finish();
  await broker.publish('a');
  pass(3);
  await tick();
  t.deepEqual(workers.texts.at(-1), ['a']);
});

test('after a batch that was held the probe does not wait', async (t) => {
  const pass = standingClock();
  const { workers, broker } = await setUp(t, { gathering: 3 });
  await broker.publish('a', 'b');
  pass(100);
  await workers.only.hold('no database', (index) => index === 0);
  pass(1);
  await tick();
  t.is(workers.batches.length, 2);
});

test('a backlog is run in full batches, oldest first', async (t) => {
  const { workers, broker } = await setUp(t, { slots: 3 });
  await broker.publish(...numbers(35));
  t.deepEqual(workers.texts, [numbers(10), numbers(10, 10), numbers(10, 20)]);
  await workers.running[0]?.finish();
  t.deepEqual(workers.texts.at(-1), numbers(5, 30));
});

test('there are never more running batches than slots', async (t) => {
  const { workers, broker } = await setUp(t, { slots: 2 });
  await broker.publish(...numbers(45));
  t.is(workers.running.length, 2);
  mock.timers.tick(3 * patience);
  await tick();
  t.is(workers.running.length, 2);
  for (const batch of [0, 1, 2, 3, 4]) {
    await workers.batches[batch]?.finish();
    t.true(workers.running.length <= 2);
  }
  t.is(workers.texts.flat().length, 45);
});

test('the dispatcher takes turns among inlets, so that a flood on one does not starve the other', async (t) => {
  const { workers, brokers } = await setUp(t, { slots: 1, maxBatch: 2, shares: [{}, {}] });
  const [flood, other] = brokers;
  await flood?.publish(...numbers(9));
  await other?.publish('a', 'b', 'c');
  for (let index = 0; index < 7; index += 1) await workers.batches[index]?.finish();
  t.deepEqual(
    workers.texts.map(([first]) => first),
    ['0', 'a', '2', 'c', '4', '6', '8'],
  );
});

test('a batch holds messages of one transport only, and names it', async (t) => {
  const { workers, brokers } = await setUp(t, { shares: [{}, {}] });
  for (const [index, broker] of brokers.entries()) broker.transport.publish(Buffer.from(`${index}`));
  await tick();
  await workers.only.finish();
  t.deepEqual(workers.batches.map(({ transport, texts }) => `${transport} ${texts}`).sort(), [
    'broker-0 0',
    'broker-1 1',
  ]);
});

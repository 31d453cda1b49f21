import { mock } from 'node:test';
import ava from 'ava';
import { pino } from 'pino';
import { setUp, tick, type Workers } from './support.ts';

const test = ava.serial;
// Timers stand still but where a test moves them, so that the machine's speed does not matter.
test.beforeEach(() => mock.timers.enable({ apis: ['setTimeout'] }));
test.afterEach.always(() => mock.timers.reset());

/** Ends a hold, which `setUp` lets last less than a millisecond. */
async function endHold(): Promise<void> {
  mock.timers.tick(1);
  await tick();
}

/** A logger, what it has logged, and the messages of that. */
function log() {
  const lines: Record<string, unknown>[] = [];
  const logger = pino(
    { base: null, level: 'debug' },
    { write: (line: string) => void lines.push(JSON.parse(line)) },
  );
  return { logger, lines, messages: () => lines.map(({ msg }) => msg) };
}

/** Makes the workers hold what they have. */
async function hold(workers: Workers): Promise<void> {
  await workers.only.hold('no database');
}

test('held messages are neither settled nor released, and their sessions are paused', async (t) => {
  const { dispatcher, workers, brokers, broker } = await setUp(t, { shares: [{}, {}] });
  // The dispatcher knows a session from its first delivery on.
  await brokers[1]?.publish('elsewhere');
  await workers.only.finish();
  await broker.publish('a', 'b');
  await hold(workers);
  t.deepEqual(broker.transport.settled, []);
  t.is(broker.inlet.counters.held, 2);
  t.is(dispatcher.heldBecause, 'no database');
  t.true(brokers.every(({ session }) => session.paused));
});

test('nothing runs during a hold, even if messages arrive', async (t) => {
  const { workers, brokers, broker } = await setUp(t, {
    backoff: { base: 1000, max: 1000 },
    shares: [{}, {}],
  });
  mock.method(Math, 'random', () => 0.9);
  t.teardown(() => mock.restoreAll());
  await broker.publish('a');
  await hold(workers);
  await brokers[1]?.publish(...'bcdefghijklm');
  mock.timers.tick(899);
  await tick();
  t.deepEqual(workers.running, []);
  t.true(brokers[1]?.session.paused);
  mock.timers.tick(1);
  await tick();
  t.is(workers.running.length, 1);
});

test('held messages return to the front, in order', async (t) => {
  const { workers, broker } = await setUp(t, { slots: 1, maxBatch: 3 });
  await broker.publish('a', 'b', 'c', 'd', 'e');
  await workers.only.hold('no database', (index) => index === 1);
  t.deepEqual(broker.settled('done'), ['b']);
  await endHold();
  t.deepEqual(workers.only.texts, ['a', 'c', 'd']);
});

test('one probe runs at a time, and all slots run again once it is committed', async (t) => {
  const { dispatcher, workers, broker } = await setUp(t, { slots: 2, maxBatch: 2 });
  await broker.publish(...'abcdefgh');
  const [one, other] = workers.running;
  await one?.hold('no database');
  await other?.hold('no database');
  await endHold();
  t.is(workers.running.length, 1);
  await tick();
  mock.timers.tick(100);
  await tick();
  t.is(workers.running.length, 1);
  t.true(broker.session.paused);
  t.is(dispatcher.heldBecause, 'no database');
  await workers.only.finish();
  t.is(workers.running.length, 2);
  t.false(broker.session.paused);
  t.is(dispatcher.heldBecause, undefined);
  for (const _ of 'abc') await workers.running[0]?.finish();
  t.deepEqual(broker.settled('done').toSorted(), [...'abcdefgh']);
});

test('a held probe begins another hold', async (t) => {
  const { dispatcher, workers, broker } = await setUp(t);
  await broker.publish('a');
  for (const because of ['no database', 'still no database', 'none at all']) {
    await workers.only.hold(because);
    t.is(dispatcher.heldBecause, because);
    t.deepEqual(workers.running, []);
    await endHold();
  }
  await workers.only.finish();
  t.deepEqual(broker.settled('done'), ['a']);
  t.is(workers.batches.length, 4);
});

test('holds grow longer with each failed probe, and start short again after a success', async (t) => {
  const { logger, lines } = log();
  const { workers, broker } = await setUp(t, { logger, backoff: { base: 100, max: 1000 } });
  mock.method(Math, 'random', () => 0.5);
  t.teardown(() => mock.restoreAll());
  const holds = () => lines.filter(({ msg }) => msg === 'messages are held, nothing is lost');
  await broker.publish('a');
  for (const expected of [50, 100, 200, 400, 500, 500]) {
    await hold(workers);
    t.is(holds().at(-1)?.retryInMs, expected);
    mock.timers.tick(expected);
    await tick();
  }
  await workers.only.finish();
  t.like(lines.at(-1), { msg: 'messages flow again', failures: 6 });
  await broker.publish('b');
  await hold(workers);
  t.is(holds().at(-1)?.retryInMs, 50);
});

test('a batch whose worker fails is held', async (t) => {
  const { dispatcher, workers, broker } = await setUp(t);
  await broker.publish('a');
  await workers.only.fail(new Error('out of memory'));
  t.is(dispatcher.heldBecause, 'a worker failed: out of memory');
  t.is(broker.inlet.counters.held, 1);
  await endHold();
  await workers.only.finish();
  t.deepEqual(broker.settled('done'), ['a']);
});

test('a batch that ran when the hold began is settled, and does not end the hold', async (t) => {
  const { dispatcher, workers, broker } = await setUp(t, { slots: 2, maxBatch: 1 });
  await broker.publish('a', 'b', 'c');
  const [one, other] = workers.running;
  await one?.hold('no database');
  await other?.finish();
  t.deepEqual(broker.settled('done'), ['b']);
  t.is(dispatcher.heldBecause, 'no database');
  t.deepEqual(workers.running, []);
});

test('several batches that are held at once make one hold', async (t) => {
  const { logger, messages } = log();
  const { workers, broker } = await setUp(t, { logger, slots: 2, maxBatch: 1 });
  await broker.publish('a', 'b');
  const [one, other] = workers.running;
  await one?.hold('no database');
  await other?.hold('no database');
  await endHold();
  t.is(workers.running.length, 1);
  t.deepEqual(messages(), ['messages are held, nothing is lost']);
});

test('messages flow again when the session of the held ones has ended, because there is no probe', async (t) => {
  const { dispatcher, workers, broker } = await setUp(t);
  await broker.publish('a');
  await hold(workers);
  broker.lose();
  t.is(broker.inlet.counters.held, 0);
  await endHold();
  t.is(dispatcher.heldBecause, undefined);
  await broker.connect();
  await tick();
  t.deepEqual(workers.only.texts, ['a']);
  t.false(broker.session.paused);
});

test('held messages are not tried again after their session has ended', async (t) => {
  const { workers, broker } = await setUp(t);
  await broker.publish('a');
  broker.lose();
  await hold(workers);
  const { released, held, unexplained } = broker.inlet.counters;
  t.like({ released, held, unexplained }, { released: 1, held: 0, unexplained: 0 });
  await endHold();
  t.is(workers.batches.length, 1);
});

test('a new session during a hold is paused too, and resumed with the others', async (t) => {
  const { workers, brokers } = await setUp(t, { shares: [{}, {}] });
  const [broker, late] = brokers;
  late?.lose();
  await broker?.publish('a');
  await hold(workers);
  await late?.connect();
  await late?.publish('b', 'c');
  t.true(late?.session.paused);
  t.is(late?.inlet.counters.held, 1);
  await endHold();
  await workers.only.finish();
  t.false(late?.session.paused);
});

test('a stop ends a hold, and releases the messages without another try', async (t) => {
  const { logger, messages } = log();
  const { dispatcher, workers, broker } = await setUp(t, { logger });
  await broker.publish('a');
  await hold(workers);
  dispatcher.stop();
  t.deepEqual(broker.settled('release'), ['a']);
  await endHold();
  t.deepEqual(workers.running, []);
  t.false(messages().includes('messages flow again'));
});

test('a long hold logs one line when it begins, one a minute, and one when it ends; a probe logs none', async (t) => {
  const { logger, lines } = log();
  const { workers, broker } = await setUp(t, { logger, backoff: { base: 1000, max: 1000 } });
  let now = 0;
  mock.method(performance, 'now', () => now);
  mock.method(Math, 'random', () => 0.999);
  t.teardown(() => mock.restoreAll());
  await broker.publish('a');
  for (let seconds = 0; seconds < 150; seconds += 1) {
    await hold(workers);
    now += 1000;
    mock.timers.tick(1000);
    await tick();
  }
  await workers.only.finish();
  t.deepEqual(
    lines.filter(({ level }) => Number(level) >= 30).map(({ msg, failures }) => `${msg}: ${failures}`),
    [
      ...[1, 61, 121].map((failures) => `messages are held, nothing is lost: ${failures}`),
      'messages flow again: 150',
    ],
  );
});

test('failures that alternate with commits log a few lines', async (t) => {
  const { logger, lines } = log();
  const { workers, broker } = await setUp(t, { logger });
  for (let n = 0; n < 200; n += 1) {
    await broker.publish('a');
    await hold(workers);
    await endHold();
    await workers.only.finish();
  }
  t.true(lines.filter(({ level }) => Number(level) >= 30).length <= 22, `${lines.length}`);
});

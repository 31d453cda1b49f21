import { mock } from 'node:test';
import ava from 'ava';
import { pino } from 'pino';
import { WedgeWatch, type WedgeWatchOptions } from '../../../src/core/gateway/wedge.ts';

const test = ava.serial;
const patience = 60_000;

let now = 0;
test.beforeEach(() => {
  now = 0;
  mock.timers.enable({ apis: ['setInterval'] });
  mock.method(performance, 'now', () => now);
});
test.afterEach.always(() => {
  mock.timers.reset();
  mock.restoreAll();
});

/** Lets time pass, in which the watch looks each second. */
function pass(seconds: number): void {
  for (let second = 0; second < seconds; second += 1) {
    now += 1000;
    mock.timers.tick(1000);
  }
}

function watch(overrides: Partial<WedgeWatchOptions> = {}) {
  const lines: string[] = [];
  const counters = { received: 0, held: 0, waiting: 0 };
  const state = { isDatabaseAway: false, isHeld: false };
  const wedge = new WedgeWatch({
    patience,
    counters: new Map([['guests', counters]]),
    isDatabaseAway: () => state.isDatabaseAway,
    isHeld: () => state.isHeld,
    overdueJob: () => undefined,
    logger: pino({ base: null }, { write: (line: string) => void lines.push(line) }),
    ...overrides,
  });
  wedge.start();
  return { wedge, counters, state, lines };
}

const stuck =
  'transports.guests: messages are held, and none was settled for 60 s, although the database answers';

test('a replica is not wedged because calls wait for a status', (t) => {
  const { wedge, counters } = watch();
  Object.assign(counters, { received: 2, held: 2, waiting: 2 });
  pass(300);
  t.is(wedge.because, undefined);
  // One of them runs again.
  counters.waiting = 1;
  pass(62);
  t.is(wedge.because, stuck);
  wedge.stop();
});

test('a replica that holds messages and settles none is wedged after its patience, with one line, until one is settled', (t) => {
  const { wedge, counters, lines } = watch();
  pass(300);
  Object.assign(counters, { received: 2, held: 2 });
  pass(59);
  t.is(wedge.because, undefined);
  pass(2);
  t.is(wedge.because, stuck);
  pass(100);
  t.is(lines.length, 1);
  counters.held = 1;
  pass(1);
  t.is(wedge.because, undefined);
  t.is(lines.length, 2);
  wedge.stop();
});

test('a replica that settles a message now and then is not wedged', (t) => {
  const { wedge, counters } = watch();
  for (let message = 0; message < 20; message += 1) {
    Object.assign(counters, { received: message + 10, held: 10 });
    pass(50);
    t.is(wedge.because, undefined);
  }
  wedge.stop();
});

test('calls that wait for a status count as no messages', (t) => {
  const { wedge, counters } = watch();
  Object.assign(counters, { received: 2, held: 2, waiting: 2 });
  pass(300);
  t.is(wedge.because, undefined);
  counters.waiting = 1;
  pass(62);
  t.is(wedge.because, stuck);
  wedge.stop();
});

test('the time in which the database is away, or messages are held with a reason, does not count', (t) => {
  for (const key of ['isDatabaseAway', 'isHeld'] as const) {
    const { wedge, counters, state } = watch();
    Object.assign(counters, { received: 2, held: 2 });
    state[key] = true;
    pass(600);
    t.is(wedge.because, undefined);
    state[key] = false;
    pass(59);
    t.is(wedge.because, undefined);
    pass(2);
    t.is(wedge.because, stuck);
    wedge.stop();
  }
});

test('messages that are held because the workers fail count, unless the database is away', async (t) => {
  const { wedge, counters, state } = watch();
  Object.assign(counters, { received: 2, held: 2 });
  state.isHeld = true;
  await t.throwsAsync(wedge.during(() => Promise.reject(new Error('no thread starts'))));
  pass(62);
  t.is(wedge.because, stuck);
  state.isDatabaseAway = true;
  pass(1);
  t.is(wedge.because, undefined);
  wedge.stop();
});

test('a replica that was frozen gets its patience anew', (t) => {
  const { wedge, counters } = watch();
  Object.assign(counters, { received: 2, held: 2 });
  pass(30);
  now += 3_600_000;
  pass(59);
  t.is(wedge.because, undefined);
  pass(3);
  t.is(wedge.because, stuck);
  wedge.stop();
});

test('a batch that does not come back is seen although others do', async (t) => {
  const { wedge, counters } = watch();
  void wedge.during(() => new Promise(() => {}));
  for (let second = 0; second < 600; second += 1) {
    await wedge.during(() => Promise.resolve());
    counters.received += 1;
    pass(1);
  }
  t.is(wedge.because, undefined);
  pass(2);
  t.regex(wedge.because ?? '', /^a batch has not come back from its worker for 600 s/);
  wedge.stop();
});

test('a job that does not end its round is seen', (t) => {
  const { wedge } = watch({ overdueJob: () => ({ name: 'trim-dead-letters', dueAt: 5000 }) });
  pass(604);
  t.is(wedge.because, undefined);
  pass(3);
  t.regex(wedge.because ?? '', /^the job trim-dead-letters has not ended its round for 600 s/);
  wedge.stop();
});

test('a patience of 0 means never', (t) => {
  const { wedge, counters } = watch({ patience: 0 });
  Object.assign(counters, { received: 2, held: 2 });
  pass(600);
  t.is(wedge.because, undefined);
});

import { mock } from 'node:test';
import ava from 'ava';
import { pino } from 'pino';
import { DeadLetterLog } from '../../src/core/gateway/dead-letter-log.ts';
import { LineBudget, Outage } from '../../src/core/quiet-log.ts';

const test = ava.serial;
let now = 0;
// The clock stands still but where a test moves it.
test.beforeEach(() => {
  now = 0;
  mock.timers.enable({ apis: ['setTimeout'] });
  mock.method(performance, 'now', () => now);
});
test.afterEach.always(() => {
  mock.timers.reset();
  mock.restoreAll();
});

function pass(milliseconds: number): void {
  now += milliseconds;
  mock.timers.tick(milliseconds);
}

test('a budget allows its lines at once, then one an interval, and counts the suppressed ones', (t) => {
  const budget = new LineBudget(2, 1000);
  t.deepEqual([budget.take(), budget.take(), budget.take(), budget.take()], [0, 0, undefined, undefined]);
  pass(999);
  t.is(budget.take(), undefined);
  pass(1);
  t.is(budget.take(), 3);
  t.is(budget.take(), undefined);
});

test('an unused budget grows to its maximum and no further', (t) => {
  const budget = new LineBudget(2, 1000);
  pass(3_600_000);
  t.deepEqual([budget.take(), budget.take(), budget.take()], [0, 0, undefined]);
});

test('an outage allows one line when it begins, one a minute, and one when it ends', (t) => {
  const outage = new Outage();
  const lines: number[] = [];
  for (let seconds = 0; seconds < 200; seconds += 1) {
    if (outage.fail('nobody listens')) lines.push(seconds);
    pass(1000);
  }
  t.deepEqual(lines, [0, 60, 120, 180]);
  t.true(outage.end());
  t.false(outage.end());
});

test('each new reason of an outage allows one line, but an endless series of reasons does not', (t) => {
  const outage = new Outage();
  const said = ['nobody listens', 'wrong password', 'nobody listens', 'wrong password'].map((reason) =>
    outage.fail(reason),
  );
  t.deepEqual(said, [true, true, false, false]);
  const others = Array.from({ length: 1000 }, (_, n) => outage.fail(`port ${n}`));
  t.is(others.filter(Boolean).length, 6);
});

test('frequent changes between failure and success allow a few lines and then one in ten seconds', (t) => {
  const outage = new Outage();
  let begun = 0;
  let ended = 0;
  for (let n = 0; n < 1000; n += 1) {
    if (outage.fail('the connection was reset')) begun += 1;
    if (outage.end()) ended += 1;
    pass(100);
  }
  // 100 s: ten lines at once and ten more.
  t.true(begun >= 19 && begun <= 21, `${begun}`);
  t.is(ended, begun, 'each beginning has its end');
});

test('an outage that begins again after a long time allows a line', (t) => {
  const outage = new Outage();
  t.true(outage.fail('nobody listens'));
  t.true(outage.end());
  pass(3_600_000);
  t.true(outage.fail('nobody listens'));
});

function letters() {
  const lines: Record<string, unknown>[] = [];
  const logger = pino(
    { base: null, timestamp: false },
    { write: (line: string) => void lines.push(JSON.parse(line)) },
  );
  return { letters: new DeadLetterLog(logger), lines };
}

const notice = {
  transport: 'rabbit',
  reason: 'bad_argument',
  method: 'heartbeat',
  instanceId: 'i-1',
  messageId: 'm-1',
  detail: 'sent is missing',
} as const;

test('a dead letter is one line with its sender and its reason', (t) => {
  const { letters: log, lines } = letters();
  log.add(notice);
  t.deepEqual(lines, [{ level: 40, code: 'dead-letter', ...notice, msg: 'dead letter' }]);
  log.stop();
  t.is(lines.length, 1);
});

test('the log names ten dead letters of a flood, then one a second, and sums up the others by transport and reason', (t) => {
  const { letters: log, lines } = letters();
  for (let n = 0; n < 5000; n += 1) log.add(n % 5 === 0 ? { transport: 'edge', reason: 'not_json' } : notice);
  t.is(lines.length, 10);
  pass(9999);
  t.is(lines.length, 10);
  pass(1);
  t.deepEqual(lines.at(-1), {
    level: 40,
    code: 'dead-letter',
    count: 4990,
    counts: { 'rabbit bad_argument': 3992, 'edge not_json': 998 },
    msg: '4990 further dead letters in the last 10 s: conductor dead list --count counts them',
  });
  pass(60_000);
  t.is(lines.length, 11, 'nothing is said where nothing happens');
});

test('an hour of a steady flood logs one line a second and one in ten seconds', (t) => {
  const { letters: log, lines } = letters();
  for (let n = 0; n < 36_000; n += 1) {
    log.add(notice);
    pass(100);
  }
  t.true(lines.length <= 10 + 3600 + 360, `${lines.length}`);
});

test('a stop logs the suppressed counts', (t) => {
  const { letters: log, lines } = letters();
  for (let n = 0; n < 12; n += 1) log.add(notice);
  log.stop();
  t.is(lines.at(-1)?.count, 2);
  pass(60_000);
  t.is(lines.length, 11);
});

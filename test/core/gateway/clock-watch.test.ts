import { mock } from 'node:test';
import ava from 'ava';
import { pino } from 'pino';
import { ClockWatch, type ClockWatchOptions } from '../../../src/core/gateway/clock-watch.ts';
import { BatchClocks } from '../../../src/workers/batch/clock-notes.ts';
import type { Task } from '../../../src/workers/batch/item.ts';
import { heartbeat } from '../../../src/workers/methods/heartbeat/index.ts';
import { tick } from './support.ts';

const test = ava.serial;

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

async function pass(seconds: number): Promise<void> {
  for (let second = 0; second < seconds; second += 1) {
    now += 1000;
    mock.timers.tick(1000);
    await tick();
  }
}

/** A watch whose machine is `offset` seconds ahead of the database. */
function watch(look: Partial<Awaited<ReturnType<ClockWatchOptions['look']>>> = {}, offset = 0) {
  const lines: string[] = [];
  const asked: (readonly string[])[] = [];
  const clocks = new ClockWatch({
    mutedAfter: 90_000,
    look: async (ids) => {
      asked.push(ids);
      return { now: Date.now() / 1000 - offset, muted: [], ...look };
    },
    logger: pino({ base: null }, { write: (line: string) => void lines.push(line) }),
  });
  clocks.start();
  return { clocks, lines, asked };
}

for (const [offset, seconds, isNamed] of [
  [0, 301, true],
  [0, 299, false],
  [200, 101, true],
  [200, 99, false],
  [-200, 499, false],
] as const) {
  test(`a guest that is ${seconds} s ahead of a machine that is ${offset} s ahead of the database is ${isNamed ? '' : 'not '}named`, async (t) => {
    const { clocks } = watch({}, offset);
    clocks.note({ ahead: [['i1', seconds + 0.6]], stale: [] });
    await pass(31);
    t.is(clocks.report.ahead.count, isNamed ? 1 : 0);
    clocks.stop();
  });
}

test('of many guests the first twenty are named, in one line', async (t) => {
  const { clocks, lines } = watch();
  for (let guest = 0; guest < 30_000; guest += 1) clocks.note({ ahead: [[`i${guest}`, 1000]], stale: [] });
  await pass(300);
  t.is(clocks.report.ahead.count, 10_000);
  t.is(clocks.report.ahead.guests.length, 20);
  t.is(lines.length, 1);
  clocks.stop();
});

test('the database is asked only about guests that have been stale for the whole time', async (t) => {
  const { clocks, asked } = watch({ muted: ['i1'] });
  clocks.note({ ahead: [], stale: ['i1'] });
  await pass(80);
  clocks.note({ ahead: [], stale: ['i1', 'i2'] });
  await pass(41);
  t.deepEqual(asked, [[], [], ['i1'], ['i1']]);
  t.deepEqual(clocks.report.muted, { count: 1, guests: [{ instanceId: 'i1' }] });
  // Nothing is heard of it any more.
  await pass(300);
  t.is(clocks.report.muted.count, 0);
  clocks.stop();
});

test('a batch names a hundred guests of each kind at most, and nothing if all is well', (t) => {
  const task = (instanceId: string, guard: number): Task => ({
    methodName: 'heartbeat',
    method: heartbeat,
    args: { instanceId, key: instanceId, guard },
  });
  const seconds = Date.now() / 1000;
  const well = new BatchClocks();
  well.add(task('i1', seconds), { kind: 'applied' });
  t.is(well.notes, undefined);
  const ill = new BatchClocks();
  for (let guest = 0; guest < 1000; guest += 1) {
    ill.add(task(`i${guest}`, seconds + 1000), { kind: 'applied' });
    ill.add(task(`j${guest}`, seconds), { kind: 'stale' });
  }
  t.is(ill.notes?.ahead.length, 100);
  t.is(ill.notes?.stale.length, 100);
});

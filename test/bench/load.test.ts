import test from 'ava';
import fc from 'fast-check';
import { cpuTime } from '../../bench/cpu.ts';
import { Bodies } from '../../bench/load/bodies.ts';
import { Pace } from '../../bench/load/pace.ts';
import { sentIn } from '../../bench/replica/observer.ts';
import { htmlOf } from '../../bench/report/html.ts';
import { quantilesOf } from '../../bench/run/quantiles.ts';
import { nextRate } from '../../bench/scenarios/knee.ts';
import { bufferOf } from '../../src/core/json.ts';
import { native } from '../../src/core/message/codecs/native.ts';
import { wholeBody } from '../../src/core/span.ts';
import { benchFile, run } from '../core/sizing/figures.ts';
import { startProcess } from '../support/processes.ts';
import { waitFor } from '../support/wait.ts';

test('a message that is sent late keeps the time at which it was due', (t) => {
  const pace = new Pace(1000, 100, 5);
  t.is(pace.due(999), 0);
  t.is(pace.due(1000), 1);
  t.is(pace.take(), 1000);
  // The process was busy: all are due now, each at a time of its own.
  t.is(pace.due(5000), 4);
  t.deepEqual([pace.take(), pace.take(), pace.take(), pace.take()], [1010, 1020, 1030, 1040]);
  t.true(pace.isDone);
  t.is(pace.due(9000), 0);
});

test('messages without a rate are all due at once', (t) => {
  const pace = new Pace(1000, Number.POSITIVE_INFINITY, 3);
  t.is(pace.due(1000), 3);
  t.deepEqual([pace.take(), pace.take(), pace.take()], [1000, 1000, 1000]);
});

test('a pace never asks for more than its messages, and never for fewer as time goes on', (t) => {
  const time = fc.integer({ min: 0, max: 100_000 });
  t.notThrows(() =>
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 100_000 }),
        fc.integer({ min: 0, max: 1000 }),
        time,
        time,
        (rate, total, a, b) => {
          const pace = new Pace(0, rate, total);
          const [early, late] = [pace.due(Math.min(a, b)), pace.due(Math.max(a, b))];
          return early <= late && late <= total;
        },
      ),
    ),
  );
});

test('a body names its instance and its time, in both forms and at any length', (t) => {
  for (const form of ['native', 'oslo'] as const) {
    for (const body of [1, 10_240]) {
      const bodies = new Bodies({ form, instances: 2, first: 1, body });
      const { body: bytes, sender } = bodies.next('heartbeat', 1_764_000_000_123.5);
      t.true(bytes.length >= body);
      t.is(sentIn(bytes), 1_764_000_000_123.5);
      t.true(bytes.includes(sender));
      t.not(bodies.next('heartbeat', 1_764_000_000_124).sender, sender);
    }
  }
  const { body, sender } = new Bodies({ form: 'native', instances: 1, first: 0, body: 10_240 }).next(
    'backup',
    1.76e12,
  );
  const envelope = native.decode(wholeBody(bufferOf(body)), { messageId: undefined, isCall: false }, true);
  t.is(envelope.method, 'update_backup');
  t.like(envelope.args, { instance_id: sender, backup_id: sender, sent: 1.76e9, state: 'BUILDING' });
});

test('the search for the knee doubles the rate, repeats a failure, and then closes in', (t) => {
  const options = { first: 1000, limit: 250, steps: 20 };
  t.is(nextRate([], options), 1000);
  t.is(nextRate([run(1000)], options), 2000);
  const failed = run(2000, { keepsUp: false });
  t.is(nextRate([run(1000), failed], options), 2000);
  t.is(nextRate([run(1000), failed, run(2000)], options), 4000);
  t.is(nextRate([run(1000), failed, failed], options), 1414);
  t.is(nextRate([run(1900), failed, failed], options), undefined);
  t.is(nextRate([failed, failed], options), 1000);
  t.is(nextRate([run(1000)], { ...options, steps: 1 }), undefined);
});

test('the search for the knee ends near the knee, wherever it is', (t) => {
  t.notThrows(() =>
    fc.assert(
      fc.property(fc.integer({ min: 300, max: 200_000 }), (knee) => {
        const runs = [];
        for (;;) {
          const rate = nextRate(runs, { first: 1000, limit: 250, steps: 60 });
          if (rate === undefined) break;
          runs.push(run(rate, { keepsUp: rate <= knee }));
        }
        const best = Math.max(...runs.filter(({ keepsUp }) => keepsUp).map(({ rate }) => rate));
        return best <= knee && best >= knee / 1.1;
      }),
    ),
  );
});

test('quantiles keep three digits', (t) => {
  const quantiles = quantilesOf(Array.from({ length: 1000 }, (_, index) => index + 1));
  t.true(Math.abs((quantiles?.p50 ?? 0) - 500) < 1);
  t.true(Math.abs((quantiles?.p99 ?? 0) - 990) < 1);
  t.is(quantilesOf([]), null);
});

test('the report is one page with plots, without a script and without another file', (t) => {
  const runs = [
    run(1000),
    run(2000),
    run(3000, { replicas: 2 }),
    run(2500, { transport: 'mqtt', latency: { ...run(1).latency, commit: null } }),
  ];
  const page = htmlOf(benchFile(runs, { command: '<script>' }), ['sizing: a line', 'another <line>']);
  for (const title of [
    'Rate against latency',
    'Latency distribution',
    'CPU a message',
    'Rate against replicas',
  ])
    t.true(page.includes(`<h2>${title}</h2>`), title);
  t.is(page.match(/<svg /g)?.length, 4);
  t.notRegex(page, /<script|src=|href=|url\(|@import|NaN|Infinity|undefined/);
  t.regex(page, /<p>sizing: a line<\/p>\n<p>another &lt;line&gt;<\/p>/);
});

test('the CPU time of a server includes that of its children', async (t) => {
  const burn = 'while :; do :; done';
  const server = startProcess('sh', ['-c', `sh -c '${burn}' & sleep 60`]);
  t.teardown(server.kill);
  await t.notThrowsAsync(waitFor(() => cpuTime(server.pid) >= 50_000, { what: 'the CPU time of a child' }));
});

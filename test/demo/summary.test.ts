import test from 'ava';
import { type Line, render, renderEnd, renderLine } from '../../src/embedded/summary.ts';
import type { Readings } from '../../src/embedded/summary-readings.ts';

const readings: Readings = {
  seconds: 75.4,
  guests: new Map([
    ['running', 18],
    ['crashed', 1],
    ['paused', 1],
    ['silent', 5],
  ]),
  others: [],
  rate: 23.96,
  latency: { p50: 2.34, p99: 11.06 },
  outcomes: { applied: 1234, stale: 3, duplicate: 0, superseded: 0, deferred: 0, dead: 0 },
  problem: undefined,
};

test('a wide terminal shows guests and messages side by side', (t) => {
  t.deepEqual(texts(render(readings, 79)), [
    'Running for 1 min 15 s. Ctrl-C ends it.',
    '25 guests in Postgres               24.0 heartbeats a second',
    '  new                               applied      1,234  written to Postgres',
    '  building                          stale            3  older than the row',
    '  running         █████████ 18      duplicate        0  came twice, counts once',
    '  healthy                           deferred         0  kept, to be tried again',
    '  failed to spawn                   dead             0  kept in dead_letters',
    '  crashed         █ 1               superseded       0  a newer one is kept',
    '  silent          ███ 5             broker to commit, after warming up',
    '  paused          █ 1               p50 2.3 ms, p99 11.1 ms',
  ]);
});

test('a narrow terminal shows them one above the other', (t) => {
  const lines = texts(render(readings, 60));
  t.true(lines.indexOf('  running         █████████ 18') < lines.indexOf('24.0 heartbeats a second'));
});

test('no line is wider than the terminal', (t) => {
  const others = [{ id: 'x'.repeat(36), status: 'healthy', secondsAgo: 1 }];
  const problem = 'a long story '.repeat(30);
  for (const columns of [1, 2, 20, 40, 77, 78, 79, 200]) {
    for (const line of render({ ...readings, others, problem }, columns, 10)) {
      t.true(line.map(({ text }) => text).join('').length <= columns);
    }
  }
});

test('the summary says when the demo will end', (t) => {
  t.is(texts(render(readings, 79, 90))[0], 'Running for 1 min 15 s of 1 min 30 s. Ctrl-C ends it.');
});

test("the summary names the reader's own guests, and they cannot control the terminal", (t) => {
  const others = [
    { id: 'my-guest', status: 'healthy', secondsAgo: 2.9 },
    { id: '\x1b[2J\r\n漢', status: 'running', secondsAgo: -0.1 },
  ];
  t.is(
    texts(render({ ...readings, others }, 79)).at(-1),
    'Yours: my-guest is healthy (2 s ago), ?[2J ? is running (0 s ago)',
  );
});

test('the summary shows the reason why messages do not flow', (t) => {
  const problem = 'Postgres does not answer:\n  connection refused';
  t.is(texts(render({ ...readings, problem }, 79)).at(-1), 'Postgres does not answer: connection refused');
  t.true(renderLine({ ...readings, problem }).endsWith('| Postgres does not answer: connection refused'));
});

test('without a terminal the summary is one line', (t) => {
  t.is(
    renderLine(readings),
    '1 min 15 s | guests in Postgres: 18 running, 1 crashed, 5 silent, 1 paused' +
      ' | 24.0 heartbeats/s: 1,234 applied, 3 stale, 0 duplicate, 0 deferred, 0 dead, 0 superseded' +
      ' | broker to commit p50 2.3 ms, p99 11.1 ms',
  );
});

test('before the first heartbeat the summary shows no figures', (t) => {
  const nothing = {
    ...readings,
    guests: new Map(),
    latency: undefined,
    rate: 0,
    outcomes: { applied: 0, stale: 0, duplicate: 0, superseded: 0, deferred: 0, dead: 0 },
  };
  t.true(texts(render(nothing, 79)).some((line) => line.endsWith('warming up')));
  t.regex(renderLine(nothing), /none yet/);
  t.notRegex(texts(render(nothing, 79)).join(), /NaN|undefined|Infinity/);
});

test('the last line says how much was written, and where', (t) => {
  t.is(
    renderEnd(readings, 'here'),
    'Ended after 1 min 15 s: 1,234 heartbeats written to Postgres (and 3 stale), where 25 guests now have a status. ' +
      'All is kept in here for the next run.',
  );
});

function texts(lines: readonly Line[]): string[] {
  return lines.map((line) =>
    line
      .map(({ text }) => text)
      .join('')
      .trimEnd(),
  );
}

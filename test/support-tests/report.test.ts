import test from 'ava';
import { createReport, durationOf } from '../support/report.ts';

const start = `
  ✔ calls › a call is answered (1.2s)
    ℹ p50 1.2 ms
    ℹ {
        applied: 3,
      }
  - [skip] nats › a reply is sent`;
const failure = `  ✘ [fail]: workers › a batch is applied Values differ
    ℹ { applied: 3 }
  \u001B[32m✔\u001B[39m nats › it reconnects
    ℹ a figure
Ended, though the tests have left something open: Timeout
  ✘ 2 tests remaining in test/nats.test.ts`;
const end = `  ─

  2 tests passed
  1 test skipped`;

function printedOf(text: string, exitCode: number, titles = false): string[] {
  const printed: string[] = [];
  const report = createReport((line) => printed.push(line), { titles });
  for (const line of text.split('\n')) report.line(line);
  report.end(exitCode, 252_000);
  return printed;
}

test('the report of passed tests has their number and the duration', (t) => {
  t.deepEqual(printedOf(`${start}\n${end}`, 0), ['1 test passed in 4 min 12 s, 1 skipped']);
});

test('the report of a failed test has all its lines, its figures too', (t) => {
  t.deepEqual(printedOf(`${start}\n${failure}\n${end}`, 1), [
    '  ✘ [fail]: workers › a batch is applied Values differ',
    '    ℹ { applied: 3 }',
    'Ended, though the tests have left something open: Timeout',
    '  ✘ 2 tests remaining in test/nats.test.ts',
    ...end.split('\n'),
    'failed in 4 min 12 s, 1 skipped',
  ]);
});

test('the report lists the titles of passed tests on request, without figures', (t) => {
  t.deepEqual(printedOf(`${start}\n${end}`, 0, true), [
    '  ✔ calls › a call is answered (1.2s)',
    '  - [skip] nats › a reply is sent',
    '1 test passed in 4 min 12 s, 1 skipped',
  ]);
});

test('a duration is in minutes and seconds', (t) => {
  t.deepEqual([0, 59_400, 59_600, 61_000, 600_000].map(durationOf), [
    '0 s',
    '59 s',
    '1 min 0 s',
    '1 min 1 s',
    '10 min 0 s',
  ]);
});

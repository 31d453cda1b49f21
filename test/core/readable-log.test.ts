import test from 'ava';
import fc from 'fast-check';
import { readableLine } from '../../src/core/readable-log.ts';

const time = '2026-01-02T03:04:05.678Z';

test('a line has its time, level, message, code and fields', (t) => {
  const line = JSON.stringify({
    level: 'error',
    time,
    code: 'database-full',
    because: 'no space',
    failures: 3,
    msg: 'held',
  });
  t.is(readableLine(line, false), '03:04:05 error held [database-full] because="no space" failures=3\n');
});

test('colors are there only if they are asked for', (t) => {
  const line = JSON.stringify({ level: 'warn', time, transport: 'edge', msg: 'not connected' });
  t.false(readableLine(line, false).includes('\u{1b}'));
  t.true(readableLine(line, true).includes('\u{1b}[33mwarn'));
});

test('a text that is no JSON stays as it is', (t) => {
  t.is(readableLine('plain\n', true), 'plain\n');
});

test('no text of a sender writes a control character to the terminal', (t) => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' }), (msg, detail) => {
      const line = readableLine(JSON.stringify({ level: 'warn', time, msg, detail, code: detail }), false);
      t.notRegex(line.slice(0, -1), /[\p{Cc}\p{Zl}\p{Zp}\u202e]/u);
    }),
  );
});

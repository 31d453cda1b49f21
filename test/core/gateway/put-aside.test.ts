import test from 'ava';
import { pino } from 'pino';
import { PutAside } from '../../../src/core/gateway/put-aside.ts';

test('messages that are put aside log one line for any number of batches', (t) => {
  const lines: string[] = [];
  const putAside = new PutAside(pino({ base: null }, { write: (line: string) => void lines.push(line) }));
  t.is(putAside.because, undefined);
  for (let batch = 0; batch < 100; batch += 1) putAside.note('heartbeat: a column is missing');
  t.is(putAside.because, 'heartbeat: a column is missing');
  // Other methods' batches end nothing.
  putAside.note(undefined);
  t.is(putAside.because, 'heartbeat: a column is missing');
  t.is(lines.length, 1);
  t.regex(lines[0] ?? '', /a column is missing.*messages are put aside, nothing is lost/);
});

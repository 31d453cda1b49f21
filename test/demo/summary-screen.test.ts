import test from 'ava';
import { Screen } from '../../src/embedded/summary-screen.ts';

/** A terminal that only remembers. */
function terminal(columns?: number, rows?: number) {
  const written: string[] = [];
  const write = (text: string) => written.push(text) > 0;
  return { columns: columns ?? 80, rows: rows ?? 24, write, written };
}
const line = (text: string) => [{ text }];
const up = (rows: number) => `\x1b[${rows}A`;

test('the screen draws over its previous lines', (t) => {
  const fake = terminal();
  const screen = new Screen(fake, false);
  screen.draw([line('one'), line('two')]);
  screen.draw([line('three')]);
  screen.draw([line('four')]);
  const [first = '', second = '', third = ''] = fake.written;
  t.false(first.includes('\x1b[2A'));
  t.true(first.includes('one\x1b[K\ntwo\x1b[K\n'));
  t.true(second.includes(up(2)));
  // Else the line "two" would stay.
  t.true(second.endsWith('three\x1b[K\n\x1b[J'));
  t.true(third.includes(up(1)));
});

test('the screen finds its first line again after a narrower terminal has wrapped the lines', (t) => {
  const fake = terminal(80);
  const screen = new Screen(fake, false);
  screen.draw([line('x'.repeat(79)), line('short')]);
  fake.columns = 40;
  screen.draw([line('short')]);
  t.true(fake.written.at(-1)?.includes(up(3)));
});

test('the screen draws at most as many lines as the terminal has rows', (t) => {
  const fake = terminal(80, 4);
  new Screen(fake, false).draw(['a', 'b', 'c', 'd', 'e'].map(line));
  t.true(fake.written[0]?.includes('c\x1b[K\n\x1b[J'));
});

test('the screen assumes a usual width if the terminal reports 0', (t) => {
  t.is(new Screen(terminal(0, 0), false).columns, 79);
});

test('the screen hides the cursor while it draws, and shows it at the end', (t) => {
  const fake = terminal();
  const screen = new Screen(fake, false);
  screen.draw([line('one')]);
  t.true(fake.written[0]?.startsWith('\x1b[?25l'));
  screen.end();
  t.is(fake.written.at(-1), '\x1b[?25h');
});

test('the screen uses colours only where they are allowed', (t) => {
  const painted = terminal();
  const plain = terminal();
  const lines = [[{ text: 'crashed', look: 'bad' } as const]];
  new Screen(painted, true).draw(lines);
  new Screen(plain, false).draw(lines);
  t.true(painted.written[0]?.includes('\x1b[31mcrashed\x1b[39m'));
  t.false(plain.written[0]?.includes('\x1b[31m'));
});

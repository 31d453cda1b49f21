import { execFileSync } from 'node:child_process';
import test from 'ava';
import { shellWord } from '../../src/commands/shell-word.ts';

test('the shell reads each text back as one word', (t) => {
  const texts = ['', 'a b', "it's", '$HOME', '~', '*', 'a;b', '`id`', '"', '\\', 'ä.yaml', 'line\nline'];
  const script = `printf '%s\\0' ${texts.map(shellWord).join(' ')}`;
  const read = execFileSync('sh', ['-c', script], { encoding: 'utf8' });
  t.deepEqual(read.split('\0').slice(0, -1), texts);
});

test('a plain path stands without quotes', (t) => {
  t.is(shellWord('./config/two-brokers.yaml'), './config/two-brokers.yaml');
});

import { mock } from 'node:test';
import ava from 'ava';
import { createLogger } from '../../src/core/logger.ts';

const test = ava.serial;

/** What is written to standard error meanwhile. */
function written(work: () => void): string {
  const lines: string[] = [];
  const write = mock.method(process.stderr, 'write', (line: string) => lines.push(line) > 0);
  try {
    work();
  } finally {
    write.mock.restore();
  }
  return lines.join('');
}

test('a line is JSON with its time, and every field is masked', (t) => {
  const mask = (text: string) => text.replaceAll('hunter2', '***');
  const text = written(() =>
    createLogger('info', mask).error({ error: 'cannot connect to amqp://eve:hunter2@mq' }, 'hunter2'),
  );
  const line: Record<string, unknown> = JSON.parse(text);
  t.like(line, { error: 'cannot connect to amqp://eve:***@mq', msg: '***' });
  t.true(Number.isFinite(Date.parse(String(line.time))));
});

test('a line below the level is not logged', (t) => {
  t.is(
    written(() => createLogger('warn').info('all is well')),
    '',
  );
});

test('the level of a line is its name, of a child too', (t) => {
  const text = written(() => {
    const logger = createLogger('trace');
    logger.info('started');
    logger.child({ transport: 'edge' }).warn('slow');
  });
  const lines = text.trimEnd().split('\n');
  t.deepEqual(
    lines.map((line) => JSON.parse(line).level),
    ['info', 'warn'],
  );
  t.regex(lines[1] ?? '', /"transport":"edge"/);
});

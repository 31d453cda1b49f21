import ava from 'ava';
import { createDatabase } from '../support/database.ts';
import { needs } from '../support/services.ts';
import { fileOf, someLetters } from './dead-support.ts';
import { runHere } from './support.ts';

const test = needs(ava, 'postgres');

test('dead list and dead show say that a redrive has failed, why, and whether the body was edited before it', async (t) => {
  const database = await createDatabase(t, { migrated: true });
  await someLetters(database);
  const failed = "redrives = 1, redriven_at = now(), redrive_by = 'ann'";
  await database.query(`UPDATE dead_letters SET ${failed}, redrive_outcome = 'dead' WHERE id IN (1, 2, 3)`);
  await database.query(`
    UPDATE dead_letters SET edited_body = '{}', edited_by = 'ann',
      edited_at = now() + CASE id WHEN 2 THEN interval '-1 minute' ELSE interval '1 minute' END
    WHERE id IN (2, 3, 4)`);
  await database.query(`UPDATE dead_letters SET ${failed}, redrive_outcome = 'refused' WHERE id = 5`);
  const config = ['--config', fileOf(database)];
  const { stdout } = await runHere(['dead', 'list', ...config]);
  t.deepEqual(
    stdout.split('\n').flatMap((line) => / (redrive .*?|dead.*?)(?: {2}|$)/.exec(line)?.[1] ?? []),
    [
      'dead',
      'redrive refused',
      'dead, edited',
      'redrive failed: refused, edited since',
      'redrive failed: refused, edited',
      'redrive failed: bad_argument',
    ],
  );
  const shown = await runHere(['dead', 'show', '1', ...config]);
  t.regex(shown.stdout, /^state: redrive failed: bad_argument$/m);
  t.regex(shown.stdout, /^last redrive: 20.*Z: failed: bad_argument, sent is a string$/m);
  const refused = await runHere(['dead', 'show', '5', ...config]);
  t.regex(refused.stdout, /^last redrive: 20.*Z: refused$/m);
});

test('dead show has the trace that the message belongs to', async (t) => {
  const database = await createDatabase(t, { migrated: true });
  await someLetters(database);
  const traceparent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';
  const trace = { traceparent, tracestate: 'vendor=1' };
  await database.query('UPDATE dead_letters SET trace_context = $1 WHERE id = 2', [JSON.stringify(trace)]);
  const config = ['--config', fileOf(database)];
  const { stdout } = await runHere(['dead', 'show', '2', ...config]);
  t.true(stdout.includes(`\ntraceparent: ${traceparent}\ntracestate: vendor=1\n`), stdout);
  t.deepEqual(JSON.parse((await runHere(['dead', 'show', '2', '--json', ...config])).stdout).trace, trace);
  t.notRegex((await runHere(['dead', 'show', '1', ...config])).stdout, /^trace/m);
});

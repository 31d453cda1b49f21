import ava from 'ava';
import { createDatabase, type TestDatabase } from '../support/database.ts';
import { needs } from '../support/services.ts';
import { configuration, run, runHere } from './support.ts';

// One at a time: some are processes, each of which takes half a second of a core to start.
const test = needs(ava.serial, 'postgres');

/** Four messages of different ages, none of them due. */
async function waiting(database: TestDatabase): Promise<void> {
  await database.query(`
    INSERT INTO deferred (method, key, instance_id, transport, args, reason, first_deferred_at, next_attempt_at)
    SELECT method, key, instance, transport, '{"secret":"s3cret"}', reason, now() - age::interval, now() + interval '1 hour'
    FROM (VALUES
      ('heartbeat', 'i1', 'i1', 'edge', 'unknown', '4 hours'),
      ('heartbeat', E'i2\\u001b[2J', 'i2', 'rabbit', 'locked', '3 hours'),
      ('sealed heartbeat', 'i3', 'i3', 'edge', 'unknown', '2 hours'),
      ('update_backup', 'i1 b1', 'i1', 'edge', 'unproven', '1 minute')
    ) AS rows(method, key, instance, transport, reason, age)`);
}

const file = ({ url }: TestDatabase) => configuration(`database: { url: "${url}" }`);

const due = async (database: TestDatabase) =>
  (
    await database.query<{ instance: string }>(
      'SELECT key AS instance FROM deferred WHERE next_attempt_at <= now() ORDER BY first_deferred_at',
    )
  ).map(({ instance }) => instance.slice(0, 2));

for (const [flags, keys] of [
  [[], ['i1', 'i2', 'i3', 'i1']],
  [
    ['--method', 'heartbeat'],
    ['i1', 'i2', 'i3'],
  ],
  [
    ['--instance', 'i1'],
    ['i1', 'i1'],
  ],
  [['--transport', 'rabbit'], ['i2']],
  [['--reason', 'unproven'], ['i1']],
  [
    ['--older-than', '150m'],
    ['i1', 'i2'],
  ],
  [['--method', 'heartbeat', '--transport', 'edge', '--limit', '1'], ['i1']],
] as const) {
  test(`deferred list and retry with ${flags.join(' ') || 'no filter'} take the same messages`, async (t) => {
    const database = await createDatabase(t, { migrated: true });
    await waiting(database);
    const common = ['--config', file(database), ...flags, '--json'];
    const listed = await runHere(['deferred', 'list', ...common]);
    t.deepEqual(listed.errors, []);
    const { deferred }: { deferred: { instance: string }[] } = JSON.parse(listed.stdout);
    t.deepEqual(
      deferred.map(({ instance }) => instance),
      [...keys],
    );
    t.false(listed.stdout.includes('s3cret'));
    t.deepEqual(await due(database), []);
    const retried = await runHere(['deferred', 'retry', ...common]);
    t.deepEqual(JSON.parse(retried.stdout), { due: keys.length });
    t.deepEqual(await due(database), [...keys]);
  });
}

test('deferred list prints a table that no sender can write control characters into, and says if there is more', async (t) => {
  const database = await createDatabase(t, { migrated: true });
  await waiting(database);
  const { stdout } = await run(t, ['deferred', 'list', '--config', file(database), '--limit', '2']);
  const lines = stdout.split('\n');
  t.regex(lines[0] ?? '', /^method +instance +transport +reason +attempts +since +next attempt +key$/);
  t.regex(lines[2] ?? '', /^heartbeat +i2 +rabbit +locked .*i2\u{fffd}\[2J$/u);
  t.is(lines[3], 'There are more: raise --limit.');
});

test('deferred retry makes more messages due than one statement takes', async (t) => {
  const database = await createDatabase(t, { migrated: true });
  await database.query(`
    INSERT INTO deferred (method, key, instance_id, transport, args, reason, next_attempt_at)
    SELECT 'heartbeat', n::text, n::text, 'edge', '{}', 'unknown', now() + interval '1 hour' FROM generate_series(1, 2500) AS n`);
  const { stdout } = await run(t, ['deferred', 'retry', '--config', file(database)]);
  t.is(stdout, '2500 deferred messages are due now; a replica that has their transport retries them.\n');
  t.is((await due(database)).length, 2500);
});

for (const [what, flags, line] of [
  ['an age without a unit', ['--older-than', '10'], /--older-than.*a time such as 90s/],
  ['an unknown reason', ['--reason', 'lazy'], /--reason.*unknown, locked, contended, unproven/],
] as const) {
  test(`deferred list with ${what} ends with exit code 2 and one line`, async (t) => {
    const { code, errors } = await runHere(['deferred', 'list', '--config', 'none', ...flags]);
    t.is(code, 2);
    t.is(errors.length, 1);
    t.regex(errors[0] ?? '', line);
  });
}

test('deferred list before conductor migrate says what to do', async (t) => {
  const database = await createDatabase(t, { migrated: false });
  const { code, errors } = await runHere(['deferred', 'list', '--config', file(database)]);
  t.is(code, 2);
  t.regex(errors[0] ?? '', /lacks the table deferred: run conductor migrate/);
});

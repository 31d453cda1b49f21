import ava, { type ExecutionContext } from 'ava';
import type { Migrated } from '../../src/database/options.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';
import { needs } from '../support/services.ts';
import { configuration, type Ended, run, runHere } from './support.ts';

const test = needs(ava.serial, 'postgres');

/** What `conductor migrate --json` prints: one line. */
async function migrated(
  t: ExecutionContext,
  { url }: TestDatabase,
  flags: readonly string[] = [],
  runs: (args: readonly string[]) => Promise<Ended> = runHere,
): Promise<Migrated> {
  const file = configuration(`database: { url: "${url}" }`);
  const { code, stdout, errors } = await runs(['migrate', '--json', '--config', file, ...flags]);
  t.is(code, 0, errors.join('\n'));
  t.deepEqual(errors, []);
  t.is(stdout.trimEnd().split('\n').length, 1, stdout);
  return JSON.parse(stdout);
}

const stepsOf = ({ steps }: Migrated) => steps.map(({ name }) => name);

test('migrate --json prints each change with its name, what it kept and what it granted', async (t) => {
  const database = await createDatabase(t, { migrated: false });
  const planned = await migrated(t, database, ['--dry-run']);
  t.like(planned, { dryRun: true, rollback: false, kept: [], granted: [] });
  t.is(planned.steps[0]?.name, '0001_trove-tables');
  t.true(planned.steps.every(({ text }) => text.length > 20));
  t.deepEqual(stepsOf(planned).slice(-2), ['status-index', 'jobs-schema']);

  const done = await migrated(t, database, [], (args) => run(t, args));
  t.like(done, { dryRun: false, steps: planned.steps });
  const role = `granted_${process.pid}`;
  await database.query(`CREATE ROLE ${role}`);
  const granted = await migrated(t, database, ['--grant-to', role]);
  t.deepEqual(granted.steps, []);
  t.true(granted.granted.length > 10);
  t.true(granted.granted.every((statement) => /^(GRANT|REVOKE|ALTER) /.test(statement)));
  await database.query(`DROP OWNED BY ${role}`);
  await database.query(`DROP ROLE ${role}`);

  await database.query(
    `INSERT INTO dead_letters (transport, reason, body, body_size, body_digest) VALUES ('t', 'not_json', '{', 1, sha256('{'))`,
  );
  const undone = await migrated(t, database, ['--rollback']);
  t.like(undone, { rollback: true, kept: ['dead_letters'] });
  t.deepEqual(
    stepsOf(undone),
    stepsOf(done)
      .filter((name) => name.startsWith('0'))
      .toReversed()
      .concat('jobs-schema'),
  );
  t.deepEqual((await migrated(t, database, ['--rollback'])).steps, []);
});

test('a migration that is refused prints nothing with --json but its error', async (t) => {
  const database = await createDatabase(t, { migrated: false });
  await database.query('CREATE TABLE instances (id text)');
  const file = configuration(`database: { url: "${database.url}" }`);
  const { code, stdout, errors } = await runHere(['migrate', '--json', '--config', file]);
  t.is(code, 2);
  t.is(stdout, '');
  t.regex(errors.join('\n'), /^conductor: The database has instances, but lacks: .* \[database-schema\]$/);
});

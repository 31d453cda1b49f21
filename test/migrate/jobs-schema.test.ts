import ava from 'ava';
import { getRollbackPlans } from 'pg-boss';
import { ConfigError } from '../../src/core/errors.ts';
import { counting, startJobs } from '../jobs/support.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';
import { needs } from '../support/services.ts';
import { waitFor } from '../support/wait.ts';
import { emptyDatabase, run } from './support.ts';

const test = needs(ava, 'postgres');

async function versionOf(database: TestDatabase): Promise<number | undefined> {
  const [row] = await database.query<{ version: number }>('SELECT version FROM conductor_jobs.version');
  return row?.version;
}

async function schemas(database: TestDatabase): Promise<string[]> {
  const rows = await database.query<{ nspname: string }>(
    "SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_|information_schema' ORDER BY nspname",
  );
  return rows.map(({ nspname }) => nspname);
}

test('a rollback drops the schema of the jobs, and a migration makes it again', async (t) => {
  const database = await emptyDatabase(t);
  await run(database);
  t.deepEqual(await schemas(database), ['conductor_jobs', 'public']);
  t.regex(await run(database, { rollback: true }), /pg-boss in the schema conductor_jobs/);
  t.deepEqual(await schemas(database), ['public']);
  t.regex(await run(database), /Creates the schema conductor_jobs/);
});

test('a rollback leaves alone what others have in the schema of the jobs', async (t) => {
  const database = await emptyDatabase(t);
  await run(database, { jobsSchema: 'shared' });
  await database.query('CREATE TABLE shared.theirs (id integer)');
  await run(database, { jobsSchema: 'shared', rollback: true });
  t.deepEqual(
    await database.query("SELECT relname FROM pg_class WHERE relnamespace = 'shared'::regnamespace"),
    [{ relname: 'theirs' }],
  );
});

test('a schema that is gone is made again, also if nothing else is to be done', async (t) => {
  const database = await createDatabase(t, { migrated: true });
  await database.query('DROP SCHEMA conductor_jobs CASCADE');
  t.regex(await run(database, { dryRun: true }), /Creates the schema conductor_jobs/);
  t.deepEqual(await schemas(database), ['public']);
  t.regex(await run(database), /Creates the schema conductor_jobs.*The database is ready\.$/s);
  t.is(await run(database), 'The database is up to date.');
});

test('a schema that lacks a table of pg-boss is reported with the way out', async (t) => {
  const database = await createDatabase(t, { migrated: true });
  await database.query('DROP TABLE conductor_jobs.job CASCADE');
  const error = await t.throwsAsync(run(database), { instanceOf: ConfigError });
  t.regex(
    error.message,
    /lacks the table job.*DROP SCHEMA conductor_jobs CASCADE, then run conductor migrate/,
  );
});

test('the schema of an older pg-boss is upgraded, and until then a replica says so', async (t) => {
  const database = await createDatabase(t, { migrated: true });
  const current = await versionOf(database);
  if (current === undefined) return t.fail('there is no version');
  await database.query(getRollbackPlans('conductor_jobs', current));
  t.true(((await versionOf(database)) ?? current) < current);
  const job = counting('upgraded', 10);
  const { lines } = startJobs(t, database, [job]);
  const line = await waitFor(() => lines()[0], { what: 'a line' });
  t.regex(String(line.because), /another version of pg-boss: run conductor migrate/);
  // An older release has migrated it long ago. What a migration has begun just now delays the index builds of the next one.
  await database.query("UPDATE conductor_jobs.version SET bam_on = now() - interval '1 hour'");
  t.regex(await run(database), /Upgrades the schema conductor_jobs.*The database is ready\.$/s);
  t.is(await versionOf(database), current);
  await waitFor(() => job.rounds() > 1, { what: 'the job to run' });
});

test('an upgrade right after another one says that it waits, and waits less than a minute', async (t) => {
  const database = await createDatabase(t, { migrated: true });
  const current = await versionOf(database);
  if (current === undefined) return t.fail('there is no version');
  await database.query(getRollbackPlans('conductor_jobs', current));
  await database.query('UPDATE conductor_jobs.version SET bam_on = now()');
  const begin = performance.now();
  t.regex(await run(database), /Waits for pg-boss to build its indexes.*The database is ready\.$/s);
  const took = performance.now() - begin;
  t.true(took < 40_000, `${took} ms`);
});

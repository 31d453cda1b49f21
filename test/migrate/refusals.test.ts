import { randomUUID } from 'node:crypto';
import ava, { type ExecutionContext } from 'ava';
import pg from 'pg';
import { ConfigError, NotConnected } from '../../src/core/errors.ts';
import type { TestDatabase } from '../support/database.ts';
import { needs } from '../support/services.ts';
import { catalog, emptyDatabase, run, troveDatabase } from './support.ts';

const test = needs(ava, 'postgres');

/** The database's address for sessions with the rights of a new role, which has none. */
async function asStranger(t: ExecutionContext, database: TestDatabase) {
  const role = `stranger_${randomUUID().replaceAll('-', '')}`;
  await database.query(`CREATE ROLE ${role}`);
  await database.query('REVOKE CREATE ON SCHEMA public FROM PUBLIC');
  t.teardown(async () => {
    await database.query(`DROP OWNED BY ${role}`);
    await database.query(`DROP ROLE ${role}`);
  });
  const url = new URL(database.url);
  // As libpq reads it: a plus sign is no space.
  url.search = `options=${encodeURIComponent(`-c role=${role}`)}`;
  return { url: url.href, role };
}

test('a user without the right to create gets an error that names the missing grant', async (t) => {
  const database = await emptyDatabase(t);
  const { url, role } = await asStranger(t, database);
  const error = await t.throwsAsync(run({ url }), { instanceOf: ConfigError });
  t.true(error.message.includes(`GRANT USAGE, CREATE ON SCHEMA public TO ${role}`));
  await database.query(`GRANT USAGE, CREATE ON SCHEMA public TO ${role}`);
  const [row] = await database.query('SELECT current_database() AS name');
  await t.throwsAsync(run({ url }), {
    instanceOf: ConfigError,
    message: new RegExp(
      `schema conductor_jobs \\(GRANT CREATE ON DATABASE ${row?.name} TO ${role}, or CREATE SCHEMA`,
    ),
  });
  await database.query(`CREATE SCHEMA conductor_jobs AUTHORIZATION ${role}`);
  t.regex(await run({ url }), /The database is ready\.$/);
});

test("a user that does not own Trove's tables gets an error that names the owner, and nothing is changed", async (t) => {
  const database = await troveDatabase(t);
  const before = await catalog(database);
  const { url, role } = await asStranger(t, database);
  await database.query(`GRANT SELECT ON ALL TABLES IN SCHEMA public TO ${role}`);
  const error = await t.throwsAsync(run({ url }), { instanceOf: ConfigError });
  t.regex(error.message, /does not own backups, service_statuses \(run conductor migrate as /);
  t.regex(error.message, /GRANT SELECT, INSERT, UPDATE ON conductor_lastseen TO/);
  t.deepEqual(await catalog(database), before);
});

test("tables that share only the names of Trove's are not changed", async (t) => {
  const database = await emptyDatabase(t);
  await database.query('CREATE TABLE backups (id integer)');
  const before = await catalog(database);
  const error = await t.throwsAsync(run(database), { instanceOf: ConfigError });
  t.regex(error.message, /has backups, but lacks: table instances.*column backups\.state/);
  t.deepEqual(await catalog(database), before);
});

test('a table that shares only the name of one of ours is not changed', async (t) => {
  const database = await troveDatabase(t);
  await database.query('CREATE TABLE deferred (id integer)');
  await t.throwsAsync(run(database), { instanceOf: ConfigError, message: /lacks: column deferred\.method/ });
});

test('migrate waits for a locked table only for a bounded time', async (t) => {
  const database = await troveDatabase(t);
  const before = await catalog(database);
  const other = new pg.Client(database.url);
  await other.connect();
  t.teardown(() => other.end());
  await other.query('BEGIN; SELECT FROM backups');
  await t.throwsAsync(run(database), {
    instanceOf: NotConnected,
    message: /locked for 10 seconds.*idle in transaction/,
  });
  await other.query('ROLLBACK');
  const after = await catalog(database);
  t.deepEqual(
    after.filter((line) => !line.includes('conductor_migrations')),
    before,
  );
  t.regex(await run(database), /The database is ready\.$/);
});

test('the error for a missing or unreachable database names it', async (t) => {
  const database = await emptyDatabase(t);
  await t.throwsAsync(run({ url: `${database.url}_none` }), {
    instanceOf: ConfigError,
    message: /does not exist.*database\.url/,
  });
  await t.throwsAsync(run({ url: 'postgresql://127.0.0.1:1/none' }), {
    instanceOf: NotConnected,
    message: /ECONNREFUSED/,
  });
});

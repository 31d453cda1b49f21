/** What the fault tests do to a database. */
import pg, { type QueryResultRow } from 'pg';
import { migrate } from '../../src/database/migrate.ts';
import type { TestDatabase } from '../support/database.ts';
import { type Postgres, type PostgresOptions, startPostgres } from '../support/postgres.ts';
import type { Server } from '../support/server.ts';

/** The part of ava's `t` that is used here. */
interface Test {
  teardown(end: () => Promise<unknown>): void;
}

/** A Postgres of the test's own, to be stopped and killed, with a migrated database. */
export async function startOwnPostgres(
  t: Test,
  options: PostgresOptions = {},
): Promise<{ postgres: Postgres & Server; database: TestDatabase }> {
  const postgres = await startPostgres(options);
  t.teardown(postgres.kill);
  const url = postgres.url();
  await migrateDatabase(url);
  const pool = new pg.Pool({ connectionString: url, max: 2 });
  // The server goes; the next query makes a new connection.
  pool.on('error', () => {});
  t.teardown(() => pool.end());
  const query = async <Row extends QueryResultRow>(sql: string, parameters: readonly unknown[] = []) =>
    (await pool.query<Row>(sql, [...parameters])).rows;
  return { postgres, database: { url, query } };
}

/** As `conductor migrate` does. */
export async function migrateDatabase(url: string): Promise<void> {
  await migrate({ url, dryRun: false, rollback: false, removeDuplicates: false, log: () => {} });
}

/** A transaction of another session that stays open. */
export interface OpenTransaction {
  release(): Promise<void>;
}

/** Runs a statement in a session of its own and keeps what it locks, until it is released or the test ends. */
export async function lockWith(
  t: Test,
  database: TestDatabase,
  statement: string,
  values: ReadonlyArray<unknown> = [],
): Promise<OpenTransaction> {
  const client = new pg.Client({ connectionString: database.url });
  await client.connect();
  let ended: Promise<void> | undefined;
  const release = () => {
    ended ??= client.end();
    return ended;
  };
  t.teardown(release);
  await client.query('BEGIN');
  await client.query(statement, [...values]);
  return { release };
}

/**
 * Makes it as slow as one that has other work, so that there is a middle to break into on a fast machine, too: each statement
 * takes a fifth of a second more.
 */
export async function slowDown(database: TestDatabase): Promise<void> {
  await database.query(`
    CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(0.2); RETURN NULL; END $$;
    CREATE TRIGGER slow AFTER INSERT ON service_statuses FOR EACH STATEMENT EXECUTE FUNCTION slow()`);
}

/** The server comes back as a hot standby, as after a failover to one: every transaction on it is read-only. */
export async function demote(postgres: Server, database: TestDatabase): Promise<void> {
  // Written by the server itself, whose files may be another user's.
  const [row] = await database.query<{ directory: string }>(
    "SELECT current_setting('data_directory') AS directory",
  );
  await database.query(`COPY (SELECT) TO '${row?.directory}/standby.signal'`);
  await postgres.restart();
}

/** The standby becomes a primary, with all its connections. */
export async function promote(database: TestDatabase): Promise<void> {
  await database.query('SELECT pg_promote()');
}

/** As after a failover to a server that cannot write: whoever connects again finds it read-only. */
export async function makeReadOnly(database: TestDatabase): Promise<void> {
  await change(database, 'SET default_transaction_read_only = on');
  await database.query(
    'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()',
  );
}

/** Can be written again by who connects from now on. Nobody ends the connections that began as read-only ones. */
export async function makeWritable(database: TestDatabase): Promise<void> {
  await change(database, 'RESET default_transaction_read_only');
}

async function change(database: TestDatabase, setting: string): Promise<void> {
  const name = new URL(database.url).pathname.slice(1);
  await database.query(`BEGIN READ WRITE; ALTER DATABASE ${name} ${setting}; COMMIT`);
}

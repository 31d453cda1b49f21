/** A database of its own for each test. */
import { randomUUID } from 'node:crypto';
import pg, { type QueryResultRow } from 'pg';
import type { Access } from '../../src/core/config/access.ts';
import { queryOn } from '../../src/database/query.ts';
import { service } from './services.ts';

export interface DatabaseOptions {
  /** With the tables of `conductor migrate`; empty otherwise. */
  readonly migrated?: boolean;
}

export interface TestDatabase {
  /** For the owner of the tables. `replicaUrl` has that of a replica. */
  readonly url: string;
  /** One statement; resolves with its rows. */
  query<Row extends QueryResultRow = QueryResultRow>(
    sql: string,
    parameters?: readonly unknown[],
  ): Promise<Row[]>;
}

/** The part of ava's `t` that is used here. */
interface Test {
  teardown(end: () => Promise<void>): void;
}

/** A new database, dropped when the test ends, whoever is still connected. The test needs `postgres`. */
export async function createDatabase(t: Test, options: DatabaseOptions = {}): Promise<TestDatabase> {
  const database = await openDatabase(options);
  t.teardown(database.drop);
  return database;
}

/** The same for several tests of a file: in `test.before`, with `drop` in `test.after.always`. */
export async function openDatabase(
  options: DatabaseOptions = {},
): Promise<TestDatabase & { drop(): Promise<void> }> {
  const postgres = service('postgres');
  const name = `test_${randomUUID().replaceAll('-', '')}`;
  const template = options.migrated === true ? await migratedTemplate() : 'template1';
  await administration().query(`CREATE DATABASE ${name} TEMPLATE ${template} ${await strategy()}`);
  const url = postgres.url(name);
  if (options.migrated === true) migratedHere.add(url);
  const pool = new pg.Pool({ connectionString: url, max: 2 });
  // Idle connections break when a test ends them, or restarts the server; the next query makes a new one.
  pool.on('error', () => {});
  return {
    url,
    query: async <Row extends QueryResultRow>(sql: string, parameters: readonly unknown[] = []) =>
      (await pool.query<Row>(sql, [...parameters])).rows,
    drop: async () => {
      await pool.end();
      await administration().query(`DROP DATABASE ${name} WITH (FORCE)`);
    },
  };
}

let strategyOnce: Promise<string> | undefined;

/** A copy of the files takes a third of the CPU of a copy through the log. Before Postgres 15 there is no other way. */
function strategy(): Promise<string> {
  strategyOnce ??= administration()
    .query<{ server_version_num: string }>('SHOW server_version_num')
    .then(({ rows: [row] }) => (Number(row?.server_version_num) >= 150_000 ? 'STRATEGY file_copy' : ''));
  return strategyOnce;
}

/** The role of replicas, in all databases of the run's server. */
export const replicaRole = 'conductor_replica';

const migratedHere = new Set<string>();

/**
 * The URL of a database for the role that docs/security.md gives a replica: a statement without its grant fails. The same URL if the
 * database was not migrated here.
 */
export function replicaUrl(url: string): string {
  return migratedHere.has(url) ? url.replace(/\/\/[^@]*@/, `//${replicaRole}@`) : url;
}

/** Grants that role what a replica needs for these models too. Their tables have to be there. */
export async function grantReplica(url: string, access: Access): Promise<void> {
  if (!migratedHere.has(url) || access.models.size === 0) return;
  const { grantTo } = await import('../../src/database/grants.ts');
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await grantTo(queryOn(client), replicaRole, { access, dryRun: false });
  } finally {
    await client.end();
  }
}

const template = 'conductor_template';
/** Any number that nothing else locks. */
const templateLock = 4_711;

let isTemplateThere: Promise<void> | undefined;

/** Migrating takes longer than copying, so it is done once a run, by the first test that asks; the others wait for it. */
async function migratedTemplate(): Promise<string> {
  isTemplateThere ??= makeTemplate();
  await isTemplateThere;
  return template;
}

async function makeTemplate(): Promise<void> {
  await administer(async (query) => {
    await query(`SELECT pg_advisory_lock(${templateLock})`);
    if ((await query(`SELECT 1 FROM pg_database WHERE datname = '${template}'`)).length > 0) return;
    const unfinished = `${template}_unfinished`;
    await query(`DROP DATABASE IF EXISTS ${unfinished} WITH (FORCE)`);
    await query(`CREATE DATABASE ${unfinished}`);
    const { migrate } = await import('../../src/database/migrate.ts');
    const url = service('postgres').url(unfinished);
    if ((await query(`SELECT FROM pg_roles WHERE rolname = '${replicaRole}'`)).length === 0)
      await query(`CREATE ROLE ${replicaRole} LOGIN`);
    const options = { dryRun: false, rollback: false, removeDuplicates: false, log: () => {} };
    await migrate({ url, ...options, grantTo: replicaRole });
    // Nobody can copy a database that somebody is connected to.
    await query(`ALTER DATABASE ${unfinished} WITH ALLOW_CONNECTIONS false`);
    await query(`ALTER DATABASE ${unfinished} RENAME TO ${template}`);
  });
}

type Query = (sql: string) => Promise<unknown[]>;

/** Runs statements that concern whole databases, on one connection of its own, which ends with them. */
async function administer(work: (query: Query) => Promise<unknown>): Promise<void> {
  const client = new pg.Client({ connectionString: service('postgres').url() });
  await client.connect();
  try {
    await work(async (sql) => (await client.query(sql)).rows);
  } finally {
    await client.end();
  }
}

let shared: pg.Pool | undefined;

/** Connections of this test file for single statements that concern whole databases; a connection costs as much as such a statement. */
function administration(): pg.Pool {
  if (shared !== undefined) return shared;
  // They keep no process alive.
  shared = new pg.Pool({ connectionString: service('postgres').url(), max: 2, allowExitOnIdle: true });
  shared.on('error', () => {});
  return shared;
}

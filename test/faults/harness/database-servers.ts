/** The Postgres of a round: one server, or a primary and a standby that has each commit before it counts. */
import { execFile } from 'node:child_process';
import { appendFileSync, chownSync, existsSync, mkdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import pg, { type QueryResultRow } from 'pg';
import { serverUser } from '../../../src/embedded/user.ts';
import type { TestDatabase } from '../../support/database.ts';
import { freePort } from '../../support/ports.ts';
import {
  type Postgres,
  type PostgresOptions,
  startPostgres,
  systemBinaries,
} from '../../support/postgres.ts';
import type { Server } from '../../support/server.ts';
import { temporaryDirectory } from '../../support/temporary.ts';
import { waitFor } from '../../support/wait.ts';
import { migrateDatabase } from '../databases.ts';
import type { Cleanup, DatabaseServers } from './world.ts';

type PostgresServer = Postgres & Server;

/** Milliseconds: a copy of a large database takes a while on a busy machine. */
const patience = 120_000;

/** One server. */
export async function startSingle(cleanup: Cleanup, options: PostgresOptions): Promise<DatabaseServers> {
  const postgres = await startPostgres(options);
  cleanup.teardown(postgres.kill);
  await migrateDatabase(postgres.url());
  const database = databaseOf(cleanup, () => postgres);
  return { postgres, database, url: postgres.url(), ports: [postgres.port], standby: undefined };
}

/** Whether this machine has the programs for a standby. */
export const mayHaveStandby = (): boolean => copyProgram() !== undefined;

/**
 * Two servers: each commit waits until the standby has it on its disk (`synchronous_standby_names`). The URL names both, and takes the
 * one that can be written.
 */
export async function startPair(cleanup: Cleanup, options: PostgresOptions): Promise<DatabaseServers> {
  const ports = [await freePort(), await freePort()] as const;
  const start = async (port: number, otherPort: number, dataDirectory: string) => {
    const settings = {
      ...options.settings,
      wal_keep_size: '1GB',
      wal_retrieve_retry_interval: '200',
      // Counts on the one that is a standby.
      primary_conninfo: `host=127.0.0.1 port=${otherPort} user=conductor application_name=standby`,
    };
    const server = await startPostgres({ port, dataDirectory, settings });
    cleanup.teardown(server.kill);
    return { server, dataDirectory };
  };
  const folder = () => join(temporaryDirectory('postgres'), 'data');
  let primary = await start(ports[0], ports[1], folder());
  await migrateDatabase(primary.server.url());
  allowReplication(primary.dataDirectory);
  await reload(primary.server);
  const copy = folder();
  await copyTo(copy, primary.dataDirectory, ports[0]);
  let standby = await start(ports[1], ports[0], copy);
  await becomeSynchronous(primary.server);
  return {
    postgres: following(() => primary.server),
    database: databaseOf(cleanup, () => primary.server),
    url: `postgresql://conductor@127.0.0.1:${ports[0]},127.0.0.1:${ports[1]}/postgres?target_session_attrs=read-write`,
    ports,
    standby: {
      server: following(() => standby.server),
      promote: async () => {
        await queryOnce(standby.server, 'SELECT pg_promote()');
        [primary, standby] = [standby, primary];
      },
      rebuild: async () => {
        await copyTo(standby.dataDirectory, primary.dataDirectory, primary.server.port);
        await standby.server.restart();
        await becomeSynchronous(primary.server);
      },
      isSynchronous: () => isSynchronous(primary.server),
    },
  };
}

/** The server that it is at the moment. */
function following(now: () => PostgresServer): PostgresServer {
  return {
    get pid() {
      return now().pid;
    },
    get port() {
      return now().port;
    },
    url: (database) => now().url(database),
    stop: () => now().stop(),
    kill: () => now().kill(),
    restart: () => now().restart(),
  };
}

/** Queries the server that is the primary at the moment, over at most two connections. */
function databaseOf(cleanup: Cleanup, primary: () => PostgresServer): TestDatabase {
  const pools = new Map<string, pg.Pool>();
  const poolOf = (url: string) => {
    const found = pools.get(url);
    if (found !== undefined) return found;
    const pool = new pg.Pool({ connectionString: url, max: 2 });
    // The server goes; the next query makes a new connection.
    pool.on('error', () => {});
    pools.set(url, pool);
    return pool;
  };
  cleanup.teardown(() => Promise.all([...pools.values()].map((pool) => pool.end())));
  return {
    get url() {
      return primary().url();
    },
    query: async <Row extends QueryResultRow>(sql: string, parameters: readonly unknown[] = []) =>
      (await poolOf(primary().url()).query<Row>(sql, [...parameters])).rows,
  };
}

/** The line of a server of ours lets clients in, and no standby. */
function allowReplication(dataDirectory: string): void {
  appendFileSync(join(dataDirectory, 'pg_hba.conf'), 'host replication conductor 127.0.0.1/32 trust\n');
}

async function reload(server: PostgresServer): Promise<void> {
  await queryOnce(server, 'SELECT pg_reload_conf()');
}

/** A copy of the primary's data, which starts as its standby. */
async function copyTo(to: string, from: string, primaryPort: number): Promise<void> {
  const program = copyProgram();
  if (program === undefined) throw new Error('pg_basebackup is not installed');
  const user = serverUser(from);
  rmSync(to, { recursive: true, force: true });
  mkdirSync(to, { mode: 0o700 });
  if (user !== undefined) chownSync(to, user.uid, user.gid);
  const source = ['--host=127.0.0.1', `--port=${primaryPort}`, '--username=conductor'];
  const args = ['-D', to, ...source, '--wal-method=stream', '--checkpoint=fast', '--no-sync'];
  await promisify(execFile)(program, args, {
    cwd: '/',
    env: { PATH: process.env.PATH, LC_ALL: 'C' },
    ...(user !== undefined && { uid: user.uid, gid: user.gid }),
  });
  // Of the primary that waits for a standby. This one has none yet.
  rmSync(join(to, 'postgresql.auto.conf'), { force: true });
  for (const name of ['postgresql.auto.conf', 'standby.signal']) {
    const { uid, gid } = statSync(to);
    writeFileSync(join(to, name), '', { mode: 0o600 });
    chownSync(join(to, name), uid, gid);
  }
}

async function becomeSynchronous(primary: PostgresServer): Promise<void> {
  const isStreaming = async () =>
    (await queryOnce(primary, "SELECT FROM pg_stat_replication WHERE state = 'streaming'")).length > 0;
  await waitFor(isStreaming, { what: 'the standby to follow', timeout: patience });
  await queryOnce(primary, "ALTER SYSTEM SET synchronous_standby_names = 'standby'");
  await reload(primary);
  await waitFor(() => isSynchronous(primary), { what: 'commits to wait for the standby', timeout: patience });
}

async function isSynchronous(primary: PostgresServer): Promise<boolean> {
  const rows = await queryOnce(primary, "SELECT FROM pg_stat_replication WHERE sync_state = 'sync'");
  return rows.length > 0;
}

async function queryOnce(server: PostgresServer, text: string): Promise<unknown[]> {
  const client = new pg.Client({ connectionString: server.url() });
  client.on('error', () => {});
  await client.connect();
  try {
    return (await client.query(text)).rows;
  } finally {
    await client.end();
  }
}

/** Undefined: only the system's Postgres has it. */
function copyProgram(): string | undefined {
  const { postgres } = systemBinaries() ?? {};
  const program = postgres && join(dirname(postgres), 'pg_basebackup');
  return program !== undefined && existsSync(program) ? program : undefined;
}

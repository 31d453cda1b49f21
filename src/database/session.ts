import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import {
  type DatabaseAddress,
  DatabaseHosts,
  type DatabaseTarget,
  type SessionAnswer,
  sessionQuestion,
  tlsAdvice,
} from '../core/config/database-hosts.ts';
import { ConfigError, codeOf, messageOf, NotConnected } from '../core/errors.ts';
import type { Query } from './query.ts';

/** Seconds a change waits for another session's lock on a table; while it waits, everybody else waits behind it. */
const lockTimeout = 10;
/** Milliseconds between two tries for the lock on migrating. */
const lockPoll = 200;
/** Any number, as long as nothing else in this database takes the same advisory lock: "cndt" in ASCII. */
const migrationLock = 0x63_6e_64_74;

/**
 * Connects to migrate, or only to inspect the schema. Fails with ConfigError or NotConnected.
 *
 * A session that looks leaves nothing behind on a pooler's connection; one that migrates is not for a pooler.
 *
 * @param applicationName shows in pg_stat_activity.
 */
export async function openSession(
  address: DatabaseAddress,
  purpose: 'migrate' | 'look',
  applicationName = `conductor ${purpose === 'migrate' ? 'migrate' : 'start'}`,
): Promise<pg.Client> {
  const hosts = new DatabaseHosts(address);
  for (let tries = 1; ; tries += 1) {
    const target = hosts.current;
    try {
      return await connectTo(hosts, target, purpose, applicationName);
    } catch (error) {
      hosts.failed(target, error);
      if (error instanceof ConfigError || tries === hosts.targets.length) throw connectError(error);
    }
  }
}

async function connectTo(
  hosts: DatabaseHosts,
  target: DatabaseTarget,
  purpose: 'migrate' | 'look',
  applicationName: string,
): Promise<pg.Client> {
  const client = new pg.Client({
    ...hosts.optionsOf(target),
    application_name: applicationName,
    connectionTimeoutMillis: 10_000,
  });
  // Without a listener a lost connection would end the process; the statement that is under way reports it.
  client.on('error', () => {});
  try {
    await client.connect();
    const [answer] = (await client.query<SessionAnswer>(sessionQuestion)).rows;
    const unfit = answer && hosts.unfit(target, answer);
    if (unfit !== undefined) throw unfit;
    // The ledger's time is without zone, as all of Trove's are: UTC. An index build may outlast any statement_timeout.
    if (purpose === 'migrate')
      await client.query(
        `SET TIME ZONE 'UTC'; SET statement_timeout = 0; SET lock_timeout = '${lockTimeout}s'`,
      );
    return client;
  } catch (error) {
    await client.end().catch(() => {});
    throw error;
  }
}

/**
 * Makes this session the only one that migrates, until it ends. It tries again and again rather than wait inside a
 * statement: a waiting statement holds a snapshot, for whose end the concurrent index build of the session that has the
 * lock would wait, and neither would ever go on.
 */
export async function becomeOnlyOne(query: Query, log: (line: string) => void): Promise<void> {
  for (let first = true; ; first = false) {
    const [row] = await query<{ locked: boolean }>('SELECT pg_try_advisory_lock($1) AS locked', [
      migrationLock,
    ]);
    if (row?.locked) return;
    if (first) log('Another conductor is migrating this database; waiting for it to end.');
    await sleep(lockPoll);
  }
}

function connectError(error: unknown): Error {
  if (error instanceof ConfigError || error instanceof NotConnected) return error;
  const code = codeOf(error);
  const advice = tlsAdvice(error);
  if (advice !== undefined)
    return new ConfigError(`database.url: no TLS with the database: ${messageOf(error)}. ${advice}`, {
      code: 'database-tls',
      cause: error,
    });
  // Wrong user or password, no such database.
  if (code === '28P01' || code === '28000' || code === '3D000') {
    return new ConfigError(
      `The database refuses the connection: ${messageOf(error)}. Correct database.url.`,
      { code: 'database-sign-in', cause: error },
    );
  }
  return new NotConnected(`The database cannot be reached: ${messageOf(error)}.`, {
    code: 'database-unreachable',
    cause: error,
  });
}

/** The same error, or one that tells the operator the next step. */
export function explained(error: unknown): unknown {
  switch (codeOf(error)) {
    case '42501': // insufficient_privilege
      return new ConfigError(
        `The database refuses: ${messageOf(error)}. Run conductor migrate as the owner of these tables, or grant its user ` +
          'the missing right.',
        { code: 'database-privileges', cause: error },
      );
    case '25006': // read_only_sql_transaction
      return new ConfigError(
        'The database is read-only: point database.url at the primary server, not at a standby.',
        { code: 'database-read-only', cause: error },
      );
    case '55P03': // lock_not_available
      return new NotConnected(
        `Another session has kept a table locked for ${lockTimeout} seconds; the step was undone. Look for sessions that are ` +
          '"idle in transaction" in pg_stat_activity, end them, and run conductor migrate again.',
        { code: 'locked', cause: error },
      );
    default:
      return error;
  }
}

import type pg from 'pg';
import type { WorkerSettings } from '../settings.ts';
import { endsStandbyWait, isConnectionState, isRaised } from './connection-state.ts';
import { DatabasePool } from './pool.ts';
import { callErrorOf } from './sqlstate.ts';

/** A connection inside a transaction, as the statements under sql/ see it. */
export interface Db {
  /**
   * `name` is the statement's own, so that it is prepared once a connection. Empty: a statement that is put together for each
   * use, and not kept.
   */
  query<Row extends pg.QueryResultRow>(
    name: string,
    text: string,
    values: ReadonlyArray<unknown>,
  ): Promise<Row[]>;
}

/**
 * Opens a worker thread's connections: as many as it runs batches and calls at once.
 *
 * @param warn takes a line for the operator.
 */
export function createPool(settings: WorkerSettings, warn: (line: string) => void = () => {}): pg.Pool {
  return new DatabasePool(settings, warn);
}

/** Where milliseconds are undefined, it is as configured. */
export interface TransactionOptions {
  /** Milliseconds that each of its statements waits for a lock. */
  readonly lockTimeout?: number | undefined;
  /** Milliseconds that each of its statements may take. */
  readonly statementTimeout?: number | undefined;
  readonly preparedStatements: boolean;
}

/** Marks an error that a query failed with, to tell it from those of the code around. */
const fromDatabase = Symbol('from the database');

/** Whether a query failed with this very error. */
export function cameFromDatabase(error: unknown): boolean {
  return typeof error === 'object' && error !== null && fromDatabase in error;
}

function markFromDatabase(error: unknown): void {
  if (typeof error === 'object' && error !== null) Reflect.set(error, fromDatabase, true);
}

/** A statement of the transaction has failed, and who sent it went on as if it had not. Postgres has undone everything. */
export class TransactionUndone extends Error {
  override readonly name = 'TransactionUndone';
}

/**
 * Runs `work` in one transaction. Rejects, with nothing committed, if any of it or the commit fails; and also if the transaction
 * is committed here but not known to be on the synchronous standbys, so whoever tries again must do so harmlessly.
 */
export async function inTransaction<Result>(
  pool: pg.Pool,
  { lockTimeout, statementTimeout, preparedStatements }: TransactionOptions,
  work: (db: Db) => Promise<Result>,
): Promise<Result> {
  if (!(pool instanceof DatabasePool)) throw new TypeError('transactions need a pool of createPool');
  const client = await pool.take();
  const isNamed = preparedStatements && pool.hasNames;
  const db: Db = {
    async query<Row extends pg.QueryResultRow>(name: string, text: string, values: ReadonlyArray<unknown>) {
      try {
        const { rows } = await client.query<Row>({
          ...(isNamed && { name }),
          text,
          values: [...values],
        });
        return rows;
      } catch (error) {
        markFromDatabase(error);
        throw error;
      }
    },
  };
  let broken: Error | undefined;
  let onlyHere = false;
  let isInside = false;
  // A connection that breaks between two queries says so by an event only.
  const onError = (error: Error) => {
    broken ??= error;
  };
  const onNotice = (notice: object) => {
    onlyHere ||= endsStandbyWait(notice);
  };
  client.on('error', onError);
  client.on('notice', onNotice);
  try {
    // One round trip, in which nothing is left behind if any of it fails.
    await client.query(pool.begin(lockTimeout, statementTimeout));
    isInside = true;
    const result = await work(db);
    isInside = false;
    const { command } = await client.query('COMMIT');
    // Postgres answers ROLLBACK to the COMMIT of a transaction that has failed.
    if (command !== 'COMMIT') throw new TransactionUndone(`the transaction ended with ${command}`);
    if (onlyHere) throw new Error(notOnStandby);
    return result;
  } catch (error) {
    if (isConnectionState(error)) pool.outdated(client, error);
    // A connection that may itself be the reason is not used again: it does not answer, or was opened to a server that was
    // read-only then, and stays read-only for ever.
    const cause = broken;
    const isOwn = isInside && !cameFromDatabase(error);
    broken ??= leavesWell(error, isOwn) ? await rollback(client) : asError(error);
    if (cause === undefined || isOwn) throw error;
    // Of a connection that broke between two queries, the next one only says that it is broken.
    markFromDatabase(cause);
    throw cause;
  } finally {
    client.off('error', onError);
    client.off('notice', onNotice);
    client.release(broken);
  }
}

const notOnStandby =
  'the commit did not reach the synchronous standby in time: look at pg_stat_replication, or correct synchronous_standby_names';

/** Whether the connection is as good as before: the error is the method's own, or the server's about one statement. */
function leavesWell(error: unknown, isOwn: boolean): boolean {
  if (isConnectionState(error)) return false;
  return isOwn || isRaised(error) || callErrorOf(error) !== undefined;
}

/** The error that says that the connection cannot be used again, if it cannot. */
async function rollback(client: pg.PoolClient): Promise<Error | undefined> {
  try {
    await client.query('ROLLBACK');
    return undefined;
  } catch (error) {
    return asError(error);
  }
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}

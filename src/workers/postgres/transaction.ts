import type pg from 'pg';
import type { WorkerSettings } from '../settings.ts';
import { endsStandbyWait, isConnectionState, isRaised } from './connection-state.ts';
import { DatabasePool } from './pool.ts';
import { callErrorOf } from './sqlstate.ts';
import type { TransactionLog } from './transaction-log.ts';

/** A connection inside a transaction, as the statements see it. */
export interface Db {
  /**
   * `name` is unique to the statement, so that a connection prepares it once. Empty: the statement is built for one use and not
   * prepared.
   */
  query<Row extends pg.QueryResultRow>(
    name: string,
    text: string,
    values: ReadonlyArray<unknown>,
  ): Promise<Row[]>;
}

/**
 * Opens a worker thread's connections. There are as many as the thread runs batches and calls at once.
 *
 * @param warn takes a line for the operator.
 */
export function createPool(settings: WorkerSettings, warn: (line: string) => void = () => {}): pg.Pool {
  return new DatabasePool(settings, warn);
}

/** An undefined time takes the configured value. */
export interface TransactionOptions {
  /** Milliseconds that each statement waits for a lock. */
  readonly lockTimeout?: number | undefined;
  /** Milliseconds that each statement may take. */
  readonly statementTimeout?: number | undefined;
  readonly preparedStatements: boolean;
  /** Set if tracing is on. */
  readonly log?: TransactionLog | undefined;
}

/** Marks an error of a query, to tell it from errors of the surrounding code. */
const fromDatabase = Symbol('from the database');

/** Whether a query failed with this very error. */
export function cameFromDatabase(error: unknown): boolean {
  return typeof error === 'object' && error !== null && fromDatabase in error;
}

function markFromDatabase(error: unknown): void {
  if (typeof error === 'object' && error !== null) Reflect.set(error, fromDatabase, true);
}

/** A statement of the transaction failed and its sender ignored the error. Postgres has rolled back the transaction. */
export class TransactionUndone extends Error {
  override readonly name = 'TransactionUndone';
}

/**
 * Runs `work` in one transaction. Rejects if `work` or the commit fails; then nothing is committed. Rejects too if the commit is not
 * known to be on the synchronous standbys; then it is committed here, so a repetition must do no harm.
 */
export async function inTransaction<Result>(
  pool: pg.Pool,
  { lockTimeout, statementTimeout, preparedStatements, log }: TransactionOptions,
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
  // A connection that breaks between two queries reports it by an event only.
  const onError = (error: Error) => {
    broken ??= error;
  };
  const onNotice = (notice: object) => {
    onlyHere ||= endsStandbyWait(notice);
  };
  client.on('error', onError);
  client.on('notice', onNotice);
  const ended = log?.begin();
  try {
    // One query. If any of its statements fails, no transaction is left open.
    await client.query(pool.begin(lockTimeout, statementTimeout, log?.traceId));
    isInside = true;
    const result = await work(db);
    isInside = false;
    const { command } = await client.query('COMMIT');
    // Postgres answers ROLLBACK to the COMMIT of a transaction that has failed.
    if (command !== 'COMMIT') throw new TransactionUndone(`the transaction ended with ${command}`);
    if (onlyHere) throw new Error(notOnStandby);
    ended?.(true);
    return result;
  } catch (error) {
    ended?.(false);
    if (isConnectionState(error)) pool.outdated(client, error);
    // A connection that may be the cause is not used again. It may be dead, or it may lead to a server that was read-only when it was
    // opened and stays read-only.
    const cause = broken;
    const isOwn = isInside && !cameFromDatabase(error);
    broken ??= leavesWell(error, isOwn) ? await rollback(client) : asError(error);
    if (cause === undefined || isOwn) throw error;
    // After a break between two queries, the next query only says that the connection is broken.
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

/** Whether the connection is still good: the error is the method's own, or the server's about one statement. */
function leavesWell(error: unknown, isOwn: boolean): boolean {
  if (isConnectionState(error)) return false;
  return isOwn || isRaised(error) || callErrorOf(error) !== undefined;
}

/** Rolls back. Returns the error if the connection cannot be used again. */
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

import type pg from 'pg';
import type { WorkerSettings } from '../settings.ts';
import { endsStandbyWait, isConnectionState, isRaised } from './connection-state.ts';
import { queryFirst } from './opening.ts';
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
  /** Whether it must be known if a connection broke before the transaction began, by `isBeforeBegin`. That costs an answer more. */
  readonly answersBegin?: boolean;
  /** Set if tracing is on. */
  readonly log?: TransactionLog | undefined;
}

/** Marks an error of a query, to tell it from errors of the surrounding code. */
const fromDatabase = Symbol('from the database');

/** Whether a query failed with this very error. */
export function cameFromDatabase(error: unknown): boolean {
  return typeof error === 'object' && error !== null && fromDatabase in error;
}

/** Marks an error of a query that came before its transaction had begun. */
const beforeBegin = Symbol('before the transaction');

/** Whether a query failed before its transaction had begun. It is known for transactions with `answersBegin`. */
export function isBeforeBegin(error: unknown): boolean {
  return typeof error === 'object' && error !== null && beforeBegin in error;
}

function mark(error: unknown, hasBegun: boolean): void {
  if (typeof error !== 'object' || error === null) return;
  Reflect.set(error, fromDatabase, true);
  if (!hasBegun) Reflect.set(error, beforeBegin, true);
}

/** A statement of the transaction failed and its sender ignored the error. Postgres has rolled back the transaction. */
export class TransactionUndone extends Error {
  override readonly name = 'TransactionUndone';
}

/** How far a transaction is. */
interface Progress {
  /** Its first statement is on its way, or BEGIN is. */
  isOpening: boolean;
  /** Postgres has answered BEGIN. */
  hasBegun: boolean;
}

/**
 * Runs `work` in one transaction. The transaction begins with the first query of `work`. Rejects if `work` or the commit fails; then nothing
 * is committed. Rejects too if the commit is not known to be on the synchronous standbys; then it is committed here, so a repetition must
 * do no harm.
 */
export async function inTransaction<Result>(
  pool: pg.Pool,
  options: TransactionOptions,
  work: (db: Db) => Promise<Result>,
): Promise<Result> {
  if (!(pool instanceof DatabasePool)) throw new TypeError('transactions need a pool of createPool');
  const client = await pool.take();
  const progress: Progress = { isOpening: false, hasBegun: false };
  const db = dbOn(pool, client, options, progress);
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
  const ended = options.log?.begin();
  try {
    isInside = true;
    const result = await work(db);
    isInside = false;
    // Without a query nothing is to be committed. But success says that the database answers.
    const { command } = await client.query(progress.isOpening ? 'COMMIT' : 'SELECT');
    // Postgres answers ROLLBACK to the COMMIT of a transaction that has failed.
    if (progress.isOpening && command !== 'COMMIT')
      throw new TransactionUndone(`the transaction ended with ${command}`);
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
    if (!leavesWell(error, isOwn)) broken ??= asError(error);
    else if (progress.isOpening) broken ??= await rollback(client);
    if (cause === undefined || isOwn) throw error;
    // After a break between two queries, the next query only says that the connection is broken.
    mark(cause, progress.hasBegun);
    throw cause;
  } finally {
    client.off('error', onError);
    client.off('notice', onNotice);
    client.release(broken);
  }
}

function dbOn(
  pool: DatabasePool,
  client: pg.PoolClient,
  { lockTimeout, statementTimeout, preparedStatements, answersBegin = false, log }: TransactionOptions,
  progress: Progress,
): Db {
  const isNamed = preparedStatements && pool.hasNames;
  const limits = { lockTimeout, statementTimeout, traceId: log?.traceId };
  const onBegun = () => {
    progress.hasBegun = true;
  };
  return {
    async query<Row extends pg.QueryResultRow>(name: string, text: string, given: ReadonlyArray<unknown>) {
      const values = [...given];
      try {
        if (!progress.isOpening) {
          progress.isOpening = true;
          // A statement without a name may be several.
          const opening = isNamed && name !== '' ? pool.opening(client, limits) : undefined;
          if (opening !== undefined)
            return await queryFirst<Row>(client, { name, text, values }, { opening, answersBegin, onBegun });
          // One query. If any of its statements fails, no transaction is left open.
          await client.query(pool.begin(limits));
          onBegun();
        }
        const { rows } = await client.query<Row>({ ...(isNamed && { name }), text, values });
        return rows;
      } catch (error) {
        mark(error, progress.hasBegun);
        throw error;
      }
    },
  };
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

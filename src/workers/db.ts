import pg from 'pg';
import { CallRefused, Rejected } from '../core/errors.ts';
import type { WorkerSettings } from './protocol.ts';
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

/** Opens a worker thread's connections: as many as it runs batches and calls at once. */
export function createPool({ database, concurrency, calls }: WorkerSettings): pg.Pool {
  const pool = new pg.Pool({
    connectionString: database.url,
    max: concurrency + calls.concurrency,
    connectionTimeoutMillis: database.connectTimeout,
    statement_timeout: database.statementTimeout,
    lock_timeout: database.lockTimeout,
    // A server that vanished without a word would leave the batch waiting for ever.
    query_timeout: Math.max(database.statementTimeout, calls.timeout) + 5000,
    idleTimeoutMillis: 0,
    keepAlive: true,
    application_name: database.applicationName,
  });
  // An idle connection that breaks is replaced at its next use; without a listener it would end the thread.
  pool.on('error', () => {});
  return pool;
}

/** Where milliseconds are undefined, it is as the connection was opened with. */
export interface TransactionOptions {
  /** Milliseconds that each of its statements waits for a lock. */
  readonly lockTimeout?: number | undefined;
  /** Milliseconds that each of its statements may take. */
  readonly statementTimeout?: number | undefined;
  readonly preparedStatements: boolean;
}

/** Errors that queries have failed with, to tell them from those of the code around. */
const databaseErrors = new WeakSet<object>();

/** Whether a query failed with this very error. */
export function cameFromDatabase(error: unknown): boolean {
  return typeof error === 'object' && error !== null && databaseErrors.has(error);
}

/** A statement of the transaction has failed, and who sent it went on as if it had not. Postgres has undone everything. */
export class TransactionUndone extends Error {
  override readonly name = 'TransactionUndone';
}

/** Runs `work` in one transaction. Rejects, with nothing committed, if any of it or the commit fails. */
export async function inTransaction<Result>(
  pool: pg.Pool,
  { lockTimeout, statementTimeout, preparedStatements }: TransactionOptions,
  work: (db: Db) => Promise<Result>,
): Promise<Result> {
  const client = await pool.connect();
  const db: Db = {
    async query<Row extends pg.QueryResultRow>(name: string, text: string, values: ReadonlyArray<unknown>) {
      try {
        const { rows } = await client.query<Row>({
          ...(preparedStatements && { name }),
          text,
          values: [...values],
        });
        return rows;
      } catch (error) {
        if (typeof error === 'object' && error !== null) databaseErrors.add(error);
        throw error;
      }
    },
  };
  let broken: Error | undefined;
  // A connection that breaks between two queries says so by an event only.
  const onError = (error: Error) => {
    broken = error;
  };
  client.on('error', onError);
  try {
    await client.query('BEGIN');
    if (lockTimeout !== undefined) await client.query(`SET LOCAL lock_timeout = ${Math.ceil(lockTimeout)}`);
    if (statementTimeout !== undefined)
      await client.query(`SET LOCAL statement_timeout = ${Math.ceil(statementTimeout)}`);
    const result = await work(db);
    const { command } = await client.query('COMMIT');
    // Postgres answers ROLLBACK to the COMMIT of a transaction that has failed.
    if (command !== 'COMMIT') throw new TransactionUndone(`the transaction ended with ${command}`);
    return result;
  } catch (error) {
    // A connection that may itself be the reason is not used again: it does not answer, or was opened to a server that was
    // read-only then, and stays read-only for ever.
    broken ??= leavesWell(error) ? await rollback(client) : asError(error);
    throw error;
  } finally {
    client.off('error', onError);
    client.release(broken);
  }
}

/** Whether the connection is as good as before: the error is the method's own, or the server's about one statement. */
function leavesWell(error: unknown): boolean {
  return error instanceof CallRefused || error instanceof Rejected || callErrorOf(error) !== undefined;
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

import pg from 'pg';
import { CallRefused, codeOf, messageOf, Rejected } from '../../core/errors.ts';
import { callErrorOf } from '../postgres/sqlstate.ts';
import {
  cameFromDatabase,
  type Db,
  inTransaction,
  isBeforeBegin,
  type TransactionOptions,
} from '../postgres/transaction.ts';

/** A method has lost its connection while it ran. Either Postgres has gone, or the method has caused it. */
export class ConnectionLost extends Error {
  override readonly name = 'ConnectionLost';
}

/** pg's error after its own time limit, which is longer than the server's. The server would not answer another statement either. */
const noAnswer = 'Query read timeout';

/** Classes of SQLSTATEs that a method can cause on a good connection. */
const doubtful = new Set(['08', '25', '28', '3D', '58', 'F0', 'XX']);
/** In another class: a method's statement has exceeded its share of the disk. */
const limitExceeded = '53400';
/** In these classes: the server itself is damaged, and no method can cause that. */
const ill = new Set(['58000', '58030', 'XX001', 'XX002']);
const readOnly = '25006';

/**
 * Runs a call's method in a transaction. An error of the method is thrown as CallRefused and affects no other call. An error of the
 * database is thrown unchanged, or as ConnectionLost.
 */
export function inCallTransaction(
  pool: pg.Pool,
  options: TransactionOptions,
  work: (db: Db) => Promise<unknown>,
): Promise<unknown> {
  return inTransaction(pool, { ...options, answersBegin: true }, async (db) => {
    let hasFailed = false;
    const watched: Db = {
      async query(name, text, values) {
        try {
          return await db.query(name, text, values);
        } catch (error) {
          hasFailed = true;
          throw error;
        }
      },
    };
    try {
      const result = await work(watched);
      // A method may ignore the error of a statement. It is thrown here, since the failure of the COMMIT says nothing.
      if (hasFailed) await db.query('', 'SELECT', []);
      return result;
    } catch (error) {
      throw await judged(error, db);
    }
  });
}

/** Decides between an error of the method and one of the database. */
async function judged(error: unknown, db: Db): Promise<unknown> {
  if (error instanceof CallRefused || error instanceof Rejected) return error;
  // The method has not begun.
  if (isBeforeBegin(error)) return error;
  if (!cameFromDatabase(error)) return new CallRefused('InternalError', messageOf(error));
  if (callErrorOf(error) !== undefined) return error;
  const code = error instanceof pg.DatabaseError ? codeOf(error) : undefined;
  const isDoubtful = code === undefined || code === limitExceeded || doubtful.has(code.slice(0, 2));
  if (code !== undefined && (!isDoubtful || ill.has(code))) return isGoing(code) ? lost(error) : error;
  if (messageOf(error) === noAnswer || !(await isWell(db))) return lost(error);
  if (code === readOnly && (await isReadOnly(db))) return error;
  return new CallRefused('InternalError', messageOf(error));
}

function lost(error: unknown): ConnectionLost {
  return new ConnectionLost(messageOf(error), { cause: error });
}

/** Whether the server is ending the connection: an administrator's request, or a shutdown. */
function isGoing(code: string): boolean {
  return code.startsWith('57P');
}

/** Whether the connection still answers. This ends the transaction, which has failed already. */
async function isWell(db: Db): Promise<boolean> {
  try {
    await db.query('', 'ROLLBACK', []);
    return true;
  } catch {
    return false;
  }
}

/** Whether the server refuses changes, and not only this transaction. */
async function isReadOnly(db: Db): Promise<boolean> {
  const [row] = await db.query<{ transaction_read_only: string }>('', 'SHOW transaction_read_only', []);
  return row?.transaction_read_only !== 'off';
}

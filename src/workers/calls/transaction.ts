import pg from 'pg';
import { CallRefused, codeOf, messageOf, Rejected } from '../../core/errors.ts';
import { callErrorOf } from '../postgres/sqlstate.ts';
import {
  cameFromDatabase,
  type Db,
  inTransaction,
  type TransactionOptions,
} from '../postgres/transaction.ts';

/** A method has lost its connection while it ran: Postgres may have gone, or the method has made it go. */
export class ConnectionLost extends Error {
  override readonly name = 'ConnectionLost';
}

/** The client has waited for longer than the server may take for a statement: it would not hear of another one either. */
const noAnswer = 'Query read timeout';

/** Classes of SQLSTATEs that a method can bring about on a connection that is well: see `isMethodsOwn`. */
const doubtful = new Set(['08', '25', '28', '3D', '58', 'F0', 'XX']);
/** Of other classes: a method's statement has used up what it is given of the disk. */
const limitExceeded = '53400';
/** Of these classes: the server is ill, whatever a method does. */
const ill = new Set(['58000', '58030', 'XX001', 'XX002']);
const readOnly = '25006';

/**
 * Runs a call's method in a transaction. What the method does wrong is thrown as CallRefused, and nobody else notices; what is wrong
 * with the database is thrown as it is, or as ConnectionLost.
 */
export function inCallTransaction(
  pool: pg.Pool,
  options: TransactionOptions,
  work: (db: Db) => Promise<unknown>,
): Promise<unknown> {
  return inTransaction(pool, options, async (db) => {
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
      // A method that goes on as if nothing had happened is not to find out at the COMMIT, whose failure says nothing.
      if (hasFailed) await db.query('', 'SELECT', []);
      return result;
    } catch (error) {
      throw await judged(error, db);
    }
  });
}

/** The error as it concerns others. */
async function judged(error: unknown, db: Db): Promise<unknown> {
  if (error instanceof CallRefused || error instanceof Rejected) return error;
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

/** Whether the server ends the connection: asked to by somebody, or since it stops. */
function isGoing(code: string): boolean {
  return code.startsWith('57P');
}

/** Whether the connection still answers. The transaction is over then: it had failed. */
async function isWell(db: Db): Promise<boolean> {
  try {
    await db.query('', 'ROLLBACK', []);
    return true;
  } catch {
    return false;
  }
}

/** Whether the server, not only this transaction, takes no changes. */
async function isReadOnly(db: Db): Promise<boolean> {
  const [row] = await db.query<{ transaction_read_only: string }>('', 'SHOW transaction_read_only', []);
  return row?.transaction_read_only !== 'off';
}

import pg from 'pg';
import { messageOf } from '../../core/errors.ts';
import { isConnectionState, isRaised } from '../postgres/connection-state.ts';
import { cameFromDatabase, TransactionUndone } from '../postgres/transaction.ts';

/**
 * Whose fault a failure is. Both mistakes are costly: to hold for one bad row stops the fleet, to blame messages for a broken schema
 * buries the backlog. So an error by itself convicts nobody:
 *
 * - `infrastructure`: there is no connection, or the server says how it fares (read-only, full, shutting down). Everything is held.
 * - `connection`: this connection is no longer good for the statement. Tried again at once, on another one.
 * - `contention`: another transaction is in the way. Locked rows are found and put aside, the rest goes on.
 * - `value`: the message holds text that no schema can store. It is at fault, whatever happens to others.
 * - `unproven`: anything else that the database, a method or our own code says no with. A message is at fault if it fails alone
 *   while others of its method commit, see take-apart.ts. If all of a method's messages fail, nobody is blamed.
 */
export type Cause = 'infrastructure' | 'connection' | 'contention' | 'value' | 'unproven';

/** SQLSTATEs whose cause differs from that of their class (PostgreSQL manual, appendix A). */
const causes: Readonly<Record<string, Cause>> = {
  '08P01': 'unproven', // protocol_violation: a method passes a wrong number of values
  '22021': 'value', // character_not_in_repertoire: a NUL in text
  '22P05': 'value', // untranslatable_character: \u0000 in jsonb
  '25006': 'infrastructure', // read_only_sql_transaction
  '25P03': 'connection', // idle_in_transaction_session_timeout: we were suspended, and the server let go of us
  '25P04': 'connection', // transaction_timeout: the same
  '40001': 'contention', // serialization_failure
  '40P01': 'contention', // deadlock_detected
  '55P03': 'contention', // lock_not_available: lock_timeout
  '57014': 'contention', // query_canceled: statement_timeout
};

/** Classes of SQLSTATEs that say how the server fares, and nothing of the statement. */
const serverClasses = new Set(['08', '28', '3D', '53', '57', '58', 'F0']);

/**
 * Whose fault an error is, as far as the error alone tells.
 *
 * @param isInside whether it was thrown between the beginning and the end of a transaction.
 */
export function causeOf(error: unknown, isInside: boolean): Cause {
  if (!(error instanceof pg.DatabaseError) || error.code === undefined)
    return isMistake(error, isInside) ? 'unproven' : 'infrastructure';
  // A trigger may raise any code. It is the schema's opinion of a row, and says nothing of the server.
  if (isRaised(error)) return 'unproven';
  if (isConnectionState(error)) return 'connection';
  // A NUL that a trigger or a generated column makes is not the message's.
  const cause = causes[error.code];
  if (cause === 'value' && error.where?.includes('PL/pgSQL')) return 'unproven';
  return cause ?? (serverClasses.has(error.code.slice(0, 2)) ? 'infrastructure' : 'unproven');
}

/** Whether a method or our own code has made a mistake, rather than that the database could not be reached or says no. */
export function isMistake(error: unknown, isInside: boolean): boolean {
  if (error instanceof pg.DatabaseError) return false;
  if (error instanceof TransactionUndone || (isInside && !cameFromDatabase(error))) return true;
  const isOfTheLanguage =
    error instanceof TypeError ||
    error instanceof RangeError ||
    error instanceof SyntaxError ||
    error instanceof ReferenceError;
  // pg's own word when one name stands for two statements (pg, lib/query.js).
  return isOfTheLanguage || messageOf(error).startsWith('Prepared statements must be unique');
}

/**
 * Whether the same statement may succeed now. Two transactions that insert the same new row can meet in another unique index than
 * the one that ON CONFLICT looks at, the primary key say, before either is in that one: then the second fails once the first
 * has committed. Tried again, it finds the row.
 */
export function mayBeRace(error: unknown): boolean {
  return error instanceof pg.DatabaseError && error.code === '23505';
}

/** The error in one line for the operator, with its SQLSTATE and the object that it is about. */
export function explain(error: unknown): string {
  if (!(error instanceof pg.DatabaseError)) return messageOf(error);
  const { message, code, schema, table, column, constraint } = error;
  const parts = [
    code && `SQLSTATE ${code}`,
    table && `table ${schema === undefined ? '' : `${schema}.`}${table}`,
    column && `column ${column}`,
    constraint && `constraint ${constraint}`,
    code && remedies[code],
  ].filter((part) => part !== undefined && part !== '');
  return parts.length === 0 ? message : `${message} (${parts.join(', ')})`;
}

const migrateRemedy = 'run conductor migrate, or make the schema what it was';

const remedies: Readonly<Record<string, string>> = {
  '23502': 'give the column a default',
  '25006': 'point database.url at the primary server',
  '42501': "grant the privilege to the conductor's user",
  '42703': migrateRemedy,
  '42P01': migrateRemedy,
  '42P10': migrateRemedy,
  '53100': 'make room on the disk of the server',
};

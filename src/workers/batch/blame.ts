import pg from 'pg';
import { messageOf } from '../../core/errors.ts';
import { isConnectionState, isRaised } from '../postgres/connection-state.ts';
import { cameFromDatabase, TransactionUndone } from '../postgres/transaction.ts';

/**
 * The cause of a failure. Both kinds of mistake are costly: if one bad row held everything, the fleet would stop; if messages were
 * blamed for a broken schema, the backlog would become dead letters. So an error by itself convicts no message:
 *
 * - `infrastructure`: there is no connection, or the server reports its own state (read-only, full, shutting down). Everything is held.
 * - `connection`: this connection is no longer good for the statement. The transaction is tried again at once on another one.
 * - `contention`: another transaction is in the way. Messages about locked rows are deferred, the others go on.
 * - `value`: the message holds text that no schema can store. It is at fault, whatever happens to other messages.
 * - `unproven`: any other refusal of the database, of a method or of our own code. A message is at fault if it fails alone while others
 *   of its method commit (isolate.ts). If all messages of a method fail, nobody is blamed.
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

/** Classes of SQLSTATEs that report the state of the server, and nothing about the statement. */
const serverClasses = new Set(['08', '28', '3D', '53', '57', '58', 'F0']);

/**
 * Classifies an error by itself alone.
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

/** Whether the error is a mistake of a method or of our own code. The database was reachable and did not refuse the statement. */
export function isMistake(error: unknown, isInside: boolean): boolean {
  if (error instanceof pg.DatabaseError) return false;
  if (error instanceof TransactionUndone || (isInside && !cameFromDatabase(error))) return true;
  const isOfTheLanguage =
    error instanceof TypeError ||
    error instanceof RangeError ||
    error instanceof SyntaxError ||
    error instanceof ReferenceError;
  // pg's error when one name stands for two statements (pg, lib/query.js).
  return isOfTheLanguage || messageOf(error).startsWith('Prepared statements must be unique');
}

/**
 * Whether the same statement may succeed now. Two transactions may insert the same new row at once. They can meet in another unique
 * index than the one of ON CONFLICT, for example the primary key. Then the second fails when the first has committed. At the next try
 * it finds the row.
 */
export function mayBeRace(error: unknown): boolean {
  return error instanceof pg.DatabaseError && error.code === '23505';
}

/** The error in one line for the operator, with its SQLSTATE and its object. */
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

const migrateRemedy = 'run conductor migrate, or restore the schema';

const remedies: Readonly<Record<string, string>> = {
  '23502': 'give the column a default',
  '25006': 'point database.url at the primary server',
  '42501': "grant the privilege to the conductor's user",
  '42703': migrateRemedy,
  '42P01': migrateRemedy,
  '42P10': migrateRemedy,
  '53100': 'make room on the disk of the server',
};

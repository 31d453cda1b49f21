import pg from 'pg';

/**
 * What an error of the database means for the messages that were being written.
 *
 * - `message`: one of them is at fault. The batch is bisected; the one becomes a dead letter.
 * - `again`: another transaction was in the way. Tried again at once, then bisected; the one is deferred.
 * - `hold`: nobody's message is at fault. Everything is held until the database is well.
 */
export type Consequence = 'message' | 'again' | 'hold';

/** Only what is listed here is ever held against a message (PostgreSQL manual, appendix A). */
const consequences: Readonly<Record<string, Consequence>> = {
  '22001': 'message', // string_data_right_truncation
  '22003': 'message', // numeric_value_out_of_range
  '22007': 'message', // invalid_datetime_format
  '22008': 'message', // datetime_field_overflow
  '22021': 'message', // character_not_in_repertoire: a NUL in text
  '22P02': 'message', // invalid_text_representation
  '22P05': 'message', // untranslatable_character: \u0000 in jsonb
  '23502': 'message', // not_null_violation
  '23503': 'message', // foreign_key_violation
  '23505': 'message', // unique_violation, of a deployer's own index; see mayBeRace
  '23514': 'message', // check_violation
  '23P01': 'message', // exclusion_violation
  '40001': 'again', // serialization_failure
  '40P01': 'again', // deadlock_detected
  '55P03': 'again', // lock_not_available: lock_timeout
  '57014': 'again', // query_canceled: statement_timeout
};

/** Whatever is not an answer of Postgres (connection lost, refused, timed out; an error of our own) holds. */
export function consequenceOf(error: unknown): Consequence {
  if (!(error instanceof pg.DatabaseError) || error.code === undefined) return 'hold';
  return consequences[error.code] ?? 'hold';
}

/**
 * Whether the same statement may succeed now. Two transactions that insert the same new row can meet in another unique index than
 * the one that ON CONFLICT looks at, the primary key say, before either is in that one: then the second fails once the first
 * has committed. Tried again, it finds the row.
 */
export function mayBeRace(error: unknown): boolean {
  return error instanceof pg.DatabaseError && error.code === '23505';
}

/** Classes of SQLSTATEs that say how the server fares, and nothing of the statement. */
const serverClasses = new Set(['08', '25', '28', '3D', '40', '53', '57', '58', 'F0', 'XX']);

/**
 * The class of error that a call's caller is told; undefined if it is nothing of theirs, and the call has to be tried again. A
 * call can be refused for what would hold a batch: it is alone, nothing of it is lost without a word, and the next one may
 * name another table.
 */
export function callErrorOf(error: unknown): string | undefined {
  if (!(error instanceof pg.DatabaseError) || error.code === undefined) return undefined;
  const { code } = error;
  const family = code.slice(0, 2);
  if (code === '57014') return 'Timeout';
  if (consequences[code] === 'again') return 'Busy';
  if (serverClasses.has(family)) return undefined;
  // P0: a trigger of the deployer's own raises an exception.
  if (code === '23502' || code === '23514' || family === '22' || family === 'P0') return 'BadRequest';
  return family === '23' ? 'Conflict' : 'InternalError';
}

/** The column that an error of the database names, if it does. */
export function columnOf(error: unknown): string | undefined {
  return error instanceof pg.DatabaseError ? error.column : undefined;
}

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
  '23505': 'message', // unique_violation, of a deployer's own index
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

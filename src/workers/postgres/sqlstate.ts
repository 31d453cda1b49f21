import pg from 'pg';

/** Classes of SQLSTATEs that report the state of the server, and nothing about the statement. */
const serverClasses = new Set(['08', '25', '28', '3D', '40', '53', '57', '58', 'F0', 'XX']);

/** Another transaction is in the way: serialization_failure, deadlock_detected, lock_not_available. */
const contention = new Set(['40001', '40P01', '55P03']);

/**
 * The class of error for a call's caller; undefined if the caller did not cause it, so that the call has to be tried again. A call can
 * be refused for an error that would hold a batch: it is alone, its caller learns of the refusal, and the next call may name another
 * table.
 */
export function callErrorOf(error: unknown): string | undefined {
  if (!(error instanceof pg.DatabaseError) || error.code === undefined) return undefined;
  const { code } = error;
  const family = code.slice(0, 2);
  if (code === '57014') return 'Timeout';
  if (contention.has(code)) return 'Busy';
  if (serverClasses.has(family)) return undefined;
  // P0: a trigger of the deployer raises an exception.
  if (code === '23502' || code === '23514' || family === '22' || family === 'P0') return 'BadRequest';
  return family === '23' ? 'Conflict' : 'InternalError';
}

/** The column that the database's error names, if any. */
export function columnOf(error: unknown): string | undefined {
  return error instanceof pg.DatabaseError ? error.column : undefined;
}

import pg from 'pg';

/** Classes of SQLSTATEs that say how the server fares, and nothing of the statement. */
const serverClasses = new Set(['08', '25', '28', '3D', '40', '53', '57', '58', 'F0', 'XX']);

/** Another transaction is in the way: serialization_failure, deadlock_detected, lock_not_available. */
const contention = new Set(['40001', '40P01', '55P03']);

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
  if (contention.has(code)) return 'Busy';
  if (serverClasses.has(family)) return undefined;
  // P0: a trigger of the deployer's own raises an exception.
  if (code === '23502' || code === '23514' || family === '22' || family === 'P0') return 'BadRequest';
  return family === '23' ? 'Conflict' : 'InternalError';
}

/** The column that an error of the database names, if it does. */
export function columnOf(error: unknown): string | undefined {
  return error instanceof pg.DatabaseError ? error.column : undefined;
}

import pg from 'pg';

/**
 * SQLSTATEs for a prepared statement that Postgres does not know as the connection prepared it (PostgreSQL manual, appendix A). Another
 * connection prepares it anew.
 */
const forgotten: ReadonlySet<string> = new Set([
  '26000', // invalid_sql_statement_name: it does not exist
  '42P05', // duplicate_prepared_statement: another client of a pooler has made it
]);

/** SQLSTATEs of a broken connection. 08P01, a protocol violation, is not here, since our own statements can cause one. */
const broken: ReadonlySet<string> = new Set([
  '08000', // connection_exception
  '08003', // connection_does_not_exist
  '08006', // connection_failure
]);

/** The routine of Postgres that executes RAISE in PL/pgSQL. */
const raiseRoutine = 'exec_stmt_raise';

/** Whether a trigger or a function raised the error. Such an error may have any code, so its code says nothing of the server. */
export function isRaised(error: unknown): boolean {
  return error instanceof pg.DatabaseError && error.routine === raiseRoutine;
}

/** The routine of Postgres that checks a cached plan. Errors carry its name in every language. */
const planRoutine = 'RevalidateCachedQuery';

/** Whether the server, or a pooler before it, does not know a statement that was prepared on this connection. */
export function isForgottenStatement(error: unknown): boolean {
  return error instanceof pg.DatabaseError && forgotten.has(error.code ?? '');
}

/**
 * Whether the error comes from what the connection remembers, and not from the statement or the database: a plan for a table that has
 * changed, or a prepared statement of another connection. That connection has been dropped by now. The same transaction can be tried
 * at once on another connection.
 */
export function isConnectionState(error: unknown): boolean {
  if (!(error instanceof pg.DatabaseError)) return false;
  const { code = '', routine } = error;
  if (isRaised(error)) return false;
  // feature_not_supported has many causes. One of them is "cached plan must not change result type".
  if (code === '0A000') return routine === planRoutine;
  return forgotten.has(code) || broken.has(code);
}

/** The routine of Postgres that waits for synchronous standbys. */
const standbyRoutine = 'SyncRepWaitForLSN';

/**
 * Whether a notice says that a transaction has committed on this server only. A cancelled statement or its time limit has then cut the
 * wait for the synchronous standbys short.
 */
export function endsStandbyWait({ code, routine }: { code?: unknown; routine?: unknown }): boolean {
  return code === '01000' && routine === standbyRoutine;
}

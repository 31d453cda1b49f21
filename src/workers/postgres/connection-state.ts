import pg from 'pg';

/**
 * Errors of a statement that Postgres no longer knows as it was prepared (PostgreSQL manual, appendix A): another connection,
 * which prepares it anew, has no such trouble.
 */
const forgotten: ReadonlySet<string> = new Set([
  '26000', // invalid_sql_statement_name: it does not exist
  '42P05', // duplicate_prepared_statement: another client of a pooler has made it
]);

/** Errors of the connection as such. 08P01, a protocol violation, is not among them: our own statements can commit one. */
const broken: ReadonlySet<string> = new Set([
  '08000', // connection_exception
  '08003', // connection_does_not_exist
  '08006', // connection_failure
]);

/** The part of Postgres that executes RAISE in PL/pgSQL. */
const raiseRoutine = 'exec_stmt_raise';

/** Whether a trigger or a function has raised it. It may have any code, and says nothing of the server or the connection. */
export function isRaised(error: unknown): boolean {
  return error instanceof pg.DatabaseError && error.routine === raiseRoutine;
}

/** What Postgres plans with; its name stands beside the errors that it raises, in whatever language. */
const planRoutine = 'RevalidateCachedQuery';

/** Whether the server, or a pooler in between, does not have the statement that was prepared on this connection. */
export function isForgottenStatement(error: unknown): boolean {
  return error instanceof pg.DatabaseError && forgotten.has(error.code ?? '');
}

/**
 * Whether neither the statement nor the database is at fault, but what the connection remembers: a plan for a table that has
 * changed, a statement that is prepared elsewhere. The connection has been dropped when this error comes; the same work is worth a
 * try at once on another.
 */
export function isConnectionState(error: unknown): boolean {
  if (!(error instanceof pg.DatabaseError)) return false;
  const { code = '', routine } = error;
  if (isRaised(error)) return false;
  // feature_not_supported stands for many things, of which "cached plan must not change result type" is one.
  if (code === '0A000') return routine === planRoutine;
  return forgotten.has(code) || broken.has(code);
}

/** The part of Postgres that waits for synchronous standbys. */
const standbyRoutine = 'SyncRepWaitForLSN';

/**
 * Whether a notice says that a transaction has committed on this server only: the wait for the synchronous standbys was cut
 * short, by a cancelled statement or by its time limit.
 */
export function endsStandbyWait({ code, routine }: { code?: unknown; routine?: unknown }): boolean {
  return code === '01000' && routine === standbyRoutine;
}

import type { Db } from '../../postgres/transaction.ts';

const text = "SELECT set_config('lock_timeout', $1, true), set_config('statement_timeout', $2, true)";

/** Limits the further statements of this transaction. Milliseconds. */
export async function limitStatements(
  db: Db,
  { lockTimeout, statementTimeout }: { readonly lockTimeout: number; readonly statementTimeout: number },
): Promise<void> {
  await db.query(
    'limit-statements',
    text,
    [lockTimeout, statementTimeout].map((ms) => `${Math.ceil(ms)}ms`),
  );
}

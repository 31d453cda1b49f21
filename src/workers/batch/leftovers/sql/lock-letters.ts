import type { Db } from '../../../postgres/transaction.ts';

/** Skips a row that another session has locked: it is redriven or deleted there. */
const text = `
SELECT id::text FROM dead_letters
WHERE id = ANY($1::bigint[]) AND redrive_at IS NOT NULL AND redriven_at IS NULL
ORDER BY id
FOR UPDATE SKIP LOCKED`;

/** Locks the dead letters that still wait to be redriven, until the transaction ends. Returns their ids. */
export async function lockLetters(db: Db, ids: ReadonlyArray<string>): Promise<ReadonlySet<string>> {
  const rows = await db.query<{ id: string }>('lock-letters', text, [ids]);
  return new Set(rows.map(({ id }) => id));
}

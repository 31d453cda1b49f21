import type { Db } from '../../../postgres/transaction.ts';

/** Seconds until a letter that was held is redriven again. */
const delay = 10;

const text = `
UPDATE dead_letters SET redrive_at = now() + $2 * interval '1 s'
WHERE id = ANY(ARRAY(
  SELECT id FROM dead_letters
  WHERE id = ANY($1::bigint[]) AND redrive_at IS NOT NULL AND redriven_at IS NULL
  ORDER BY id FOR UPDATE SKIP LOCKED
))`;

/** Redrives these letters later, so that others come first. */
export async function postponeLetters(db: Db, ids: ReadonlyArray<string>): Promise<void> {
  await db.query('postpone-letters', text, [ids, delay]);
}

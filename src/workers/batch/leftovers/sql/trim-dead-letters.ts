import type { Db } from '../../../postgres/transaction.ts';

/** Dead letters that one statement deletes at most, so that a large backlog does not exceed the statement's time limit. */
export const trimStep = 2000;

/**
 * Ids only grow, with gaps. So counting back from the newest id keeps at most `maxRows` rows and needs the index alone. The array makes
 * the plan use that index whatever the statistics say.
 */
const text = `
WITH trimmed AS (
  DELETE FROM dead_letters
  WHERE id = ANY(ARRAY(
    SELECT id FROM dead_letters WHERE id <= (SELECT max(id) FROM dead_letters) - $1::bigint
    ORDER BY id LIMIT $2
    FOR UPDATE SKIP LOCKED
  ))
  RETURNING 1
)
SELECT count(*)::integer AS trimmed FROM trimmed`;

/** @returns how many of the oldest dead letters were deleted, `trimStep` at most. */
export async function trimDeadLetters(db: Db, maxRows: number): Promise<number> {
  const [row] = await db.query<{ trimmed: number }>('trim-dead-letters', text, [maxRows, trimStep]);
  return row?.trimmed ?? 0;
}

import type { Db } from '../../../postgres/transaction.ts';

/** Dead letters that one statement deletes: a large backlog must not run into its time limit. */
export const trimStep = 2000;

/**
 * Ids only grow, with gaps: counting back from the newest keeps `maxRows` at most, by the index alone. The array
 * keeps the plan to that index too, whatever the statistics say.
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

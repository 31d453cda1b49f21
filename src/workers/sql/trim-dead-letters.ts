import type { Db } from '../db.ts';

/** Ids only grow, with gaps: counting back from the newest keeps `maxRows` at most, by the index alone. */
const text = `
WITH trimmed AS (
  DELETE FROM dead_letters WHERE id <= (SELECT max(id) FROM dead_letters) - $1::bigint RETURNING 1
)
SELECT count(*)::integer AS trimmed FROM trimmed`;

/** @returns how many of the oldest dead letters were deleted. */
export async function trimDeadLetters(db: Db, maxRows: number): Promise<number> {
  const [row] = await db.query<{ trimmed: number }>('trim-dead-letters', text, [maxRows]);
  return row?.trimmed ?? 0;
}

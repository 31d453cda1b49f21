import type { JobDb } from '../contract.ts';

/** Dead letters that one statement deletes at most, so that a large backlog does not exceed the statement's time limit. */
export const trimStep = 2000;

/**
 * Ids only grow, with gaps. So counting back from the newest id keeps at most `maxRows` rows and needs the index alone. The array makes
 * the plan use that index whatever the statistics say. A letter that waits for its redrive is kept.
 */
const surplus = `
WITH trimmed AS (
  DELETE FROM dead_letters
  WHERE id = ANY(ARRAY(
    SELECT id FROM dead_letters
    WHERE id <= (SELECT max(id) FROM dead_letters) - $1::bigint AND (redrive_at IS NULL OR redriven_at IS NOT NULL)
    ORDER BY id LIMIT $2
    FOR UPDATE SKIP LOCKED
  ))
  RETURNING 1
)
SELECT count(*)::integer AS trimmed FROM trimmed`;

/** By the index on died_at. */
const aged = `
WITH trimmed AS (
  DELETE FROM dead_letters
  WHERE id = ANY(ARRAY(
    SELECT id FROM dead_letters WHERE died_at < now() - $1::double precision * interval '1 ms'
    ORDER BY died_at LIMIT $2
    FOR UPDATE SKIP LOCKED
  ))
  RETURNING 1
)
SELECT count(*)::integer AS trimmed FROM trimmed`;

/** @returns how many dead letters beyond `maxRows` were deleted, the oldest first, `trimStep` at most. */
export function trimSurplusDeadLetters(db: JobDb, maxRows: number): Promise<number> {
  return trim(db, 'trim-surplus-dead-letters', surplus, maxRows);
}

/**
 * @param maxAge milliseconds.
 * @returns how many dead letters that are older were deleted, `trimStep` at most.
 */
export function trimAgedDeadLetters(db: JobDb, maxAge: number): Promise<number> {
  return trim(db, 'trim-aged-dead-letters', aged, maxAge);
}

async function trim(db: JobDb, name: string, text: string, limit: number): Promise<number> {
  const [row] = await db.query<{ trimmed: number }>(name, text, [limit, trimStep]);
  return row?.trimmed ?? 0;
}

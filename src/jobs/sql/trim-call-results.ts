import type { JobDb } from '../contract.ts';

/** Rows that one statement looks at. */
export const resultsPortion = 1000;

/**
 * Deletes the oldest results, by the index on id alone: those past their retention, and those beyond `maxRows`. Ids only grow, with
 * gaps, so counting back from the newest id keeps at most `maxRows` rows. The statement skips rows that a call holds locked.
 */
const text = `
WITH oldest AS MATERIALIZED (
  SELECT id, called_at FROM call_results ORDER BY id LIMIT ${resultsPortion} FOR UPDATE SKIP LOCKED
), deleted AS (
  DELETE FROM call_results USING oldest
  WHERE call_results.id = oldest.id AND (
    oldest.called_at < now() - $1::double precision * interval '1 ms'
    OR oldest.id <= (SELECT max(id) FROM call_results) - $2::bigint)
  RETURNING 1
)
SELECT count(*)::integer AS deleted FROM deleted`;

/**
 * @param retention milliseconds.
 * @returns how many results were deleted, `resultsPortion` at most.
 */
export async function trimCallResults(db: JobDb, retention: number, maxRows: number): Promise<number> {
  const [row] = await db.query<{ deleted: number }>('trim-call-results', text, [retention, maxRows]);
  return row?.deleted ?? 0;
}

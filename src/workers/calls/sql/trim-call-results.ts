import type { Db } from '../../postgres/transaction.ts';

/** Rows that one round looks at. */
const portion = 1000;

/**
 * Deletes the oldest results, by the index on id alone: those past their retention, and those beyond `maxRows`. Ids only grow, with
 * gaps, so counting back from the newest id keeps at most `maxRows` rows. Replicas skip each other's locked rows.
 */
const text = `
WITH oldest AS MATERIALIZED (
  SELECT id, called_at FROM call_results ORDER BY id LIMIT ${portion} FOR UPDATE SKIP LOCKED
)
DELETE FROM call_results USING oldest
WHERE call_results.id = oldest.id AND (
  oldest.called_at < now() - $1::double precision * interval '1 ms'
  OR oldest.id <= (SELECT max(id) FROM call_results) - $2::bigint)`;

/** @param retention milliseconds. */
export async function trimCallResults(db: Db, retention: number, maxRows: number): Promise<void> {
  await db.query('trim-call-results', text, [retention, maxRows]);
}

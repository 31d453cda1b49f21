import type { JobDb } from '../contract.ts';

/** Rows that one statement looks at. */
export const oldestPortion = 1000;

/** Tables whose ids grow with time, and their column of the time. */
const times = { call_results: 'called_at', status_transitions: 'changed_at' } as const;

/**
 * Deletes the oldest rows, by the index on id alone: those past their retention, and those beyond `maxRows`. Ids only grow, with
 * gaps, so counting back from the newest id keeps at most `maxRows` rows. The statement locks only rows that are to go, and skips those
 * that another session holds locked.
 */
const textFor = (table: keyof typeof times) => `
WITH surplus AS (
  SELECT id FROM ${table}
  WHERE id = ANY(ARRAY(SELECT id FROM ${table} ORDER BY id LIMIT ${oldestPortion})) AND (
    ${times[table]} < now() - $1::double precision * interval '1 ms'
    OR id <= (SELECT max(id) FROM ${table}) - $2::bigint)
  ORDER BY id
  FOR UPDATE SKIP LOCKED
), deleted AS (
  DELETE FROM ${table} WHERE id = ANY(ARRAY(SELECT id FROM surplus)) RETURNING 1
)
SELECT count(*)::integer AS deleted FROM deleted`;

/**
 * @param retention milliseconds.
 * @returns how many rows were deleted, `oldestPortion` at most.
 */
export async function trimOldest(
  db: JobDb,
  table: keyof typeof times,
  retention: number,
  maxRows: number,
): Promise<number> {
  const [row] = await db.query<{ deleted: number }>(`trim-${table}`, textFor(table), [retention, maxRows]);
  return row?.deleted ?? 0;
}

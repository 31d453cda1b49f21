import type { JobDb } from '../contract.ts';
import { sweepStatuses } from '../sweep-statuses.ts';
import type { CensusLimits } from './count-portion.ts';

/** Instances that one statement marks at most. */
export const markStep = 1000;

const { alive, building, unknown, failed } = sweepStatuses;

/**
 * Judges again, by the row under its lock: a heartbeat may have come since the census. A row that another session holds is left to the
 * next round. The last contact stays as it is, so that it is known for how long the guest is silent. A trigger records the change, in
 * this statement.
 */
const text = `
WITH silent AS MATERIALIZED (
  SELECT instance_id, status_id IN (${building.join(', ')}) AS builds
  FROM service_statuses
  WHERE instance_id = ANY($1::text[]) AND (
    (status_id IN (${alive.join(', ')}) AND updated_at < now() AT TIME ZONE 'utc' - $2::double precision * interval '1 ms')
    OR (status_id IN (${building.join(', ')}) AND updated_at < now() AT TIME ZONE 'utc' - $3::double precision * interval '1 ms'))
  ORDER BY instance_id FOR UPDATE SKIP LOCKED
), marked AS (
  UPDATE service_statuses AS stored SET
    status_id = CASE WHEN builds THEN ${failed.id} ELSE ${unknown.id} END,
    status_description = CASE WHEN builds THEN '${failed.description}' ELSE '${unknown.description}' END
  FROM silent WHERE stored.instance_id = silent.instance_id
  RETURNING 1
)
SELECT count(*)::integer AS marked FROM marked`;

/**
 * Marks those of the instances that are silent still.
 *
 * @param ids at most `markStep`.
 * @returns how many were marked.
 */
export async function markSilent(
  db: JobDb,
  ids: ReadonlyArray<string>,
  { heartbeatExpiry, buildTimeout }: CensusLimits,
): Promise<number> {
  await db.query('', "SELECT set_config('conductor.cause', 'sweep', true)", []);
  const [row] = await db.query<{ marked: number }>('mark-silent', text, [ids, heartbeatExpiry, buildTimeout]);
  return row?.marked ?? 0;
}

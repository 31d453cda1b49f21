import type { JobDb } from '../contract.ts';

/** An index look-up for each wait. Nearly always it finds nothing. */
const text = `
SELECT (n - 1)::integer AS index, array_agg(DISTINCT new_status::text) AS statuses
FROM unnest($1::text[], $2::bigint[]) WITH ORDINALITY AS wait(instance_id, since, n)
CROSS JOIN LATERAL (
  SELECT new_status FROM status_transitions AS one
  WHERE one.instance_id = wait.instance_id AND one.id > wait.since ORDER BY one.id DESC LIMIT 1000
) AS changed
GROUP BY n`;

/** The statuses that instances have had since a transition each. Instances without a change are left out. */
export function findStatusChanges(
  db: JobDb,
  waits: ReadonlyArray<{ readonly instanceId: string; readonly since: string }>,
): Promise<Array<{ index: number; statuses: string[] }>> {
  return db.query('find-status-changes', text, [
    waits.map(({ instanceId }) => instanceId),
    waits.map(({ since }) => since),
  ]);
}

import type { JobDb } from '../contract.ts';

/** Looks each instance up by its key. Messages about a deleted instance are stale too, but its guest is not muted. */
const text = `
SELECT extract(epoch FROM now())::double precision AS now, ARRAY(
  SELECT status.instance_id::text
  FROM service_statuses AS status JOIN instances ON instances.id = status.instance_id
  WHERE status.instance_id = ANY($1::text[]) AND NOT coalesce(instances.deleted, false)
    AND status.updated_at < (now() AT TIME ZONE 'utc') - make_interval(secs => $2::double precision)
) AS muted`;

/**
 * The database's time, in seconds since the epoch, and those of the instances to which no heartbeat has been applied for so long.
 *
 * @param mutedAfter milliseconds.
 */
export async function findMuted(
  db: JobDb,
  instanceIds: ReadonlyArray<string>,
  mutedAfter: number,
): Promise<{ now: number; muted: string[] }> {
  const [row] = await db.query<{ now: number; muted: string[] }>('find-muted', text, [
    instanceIds,
    mutedAfter / 1000,
  ]);
  if (row === undefined) throw new Error('the database does not tell its time');
  return row;
}

import type { JobDb } from '../contract.ts';

/** The facts that the sweep needs before it counts the fleet. */
export interface Fleet extends Record<string, unknown> {
  /** Blocks of the table; of its largest partition if it has partitions. */
  readonly blocks: number;
  /** How many the sweep has marked in the last minute, on any replica. */
  readonly marked: number;
  /** Milliseconds since the start of the database's server. */
  readonly serverAge: number;
}

const text = `
SELECT (coalesce(
    (SELECT max(pg_relation_size(relid)) FROM pg_partition_tree('service_statuses') WHERE isleaf),
    pg_relation_size('service_statuses')
  ) / current_setting('block_size')::integer)::integer AS blocks,
  (SELECT count(*) FROM status_transitions
   WHERE cause = 'sweep' AND changed_at > now() - interval '1 minute')::integer AS marked,
  (extract(epoch FROM now() - pg_postmaster_start_time()) * 1000)::double precision AS "serverAge"`;

export async function readFleet(db: JobDb): Promise<Fleet> {
  const [row] = await db.query<Fleet>('read-fleet', text, []);
  if (row === undefined) throw new Error('the fleet has no row');
  return row;
}

import type { Present, RecentTransition, ReplicaRow } from '../../core/page-data.ts';
import type { Query } from '../query.ts';

/** Transitions that the page shows. */
const mostTransitions = 20;
/** Replicas that the page shows, with a row for each transport. */
const mostReplicas = 200;

const replicasText = `
SELECT replica, transport, adopter, oldest_unsettled AS "oldestUnsettled",
  extract(epoch FROM started_at)::double precision * 1000 AS "startedAt",
  extract(epoch FROM seen_at)::double precision * 1000 AS "seenAt"
FROM replicas ORDER BY replica, transport, client_id LIMIT ${mostReplicas}`;

const transitionsText = `
SELECT id::text, instance_id AS instance, old_status AS from, new_status AS to, cause,
  extract(epoch FROM changed_at)::double precision * 1000 AS at
FROM status_transitions ORDER BY status_transitions.id DESC LIMIT ${mostTransitions}`;

/** Each heartbeat writes one row. Of a partitioned table the partitions have the rows. Null: track_counts is off. */
const writesText = `
SELECT extract(epoch FROM clock_timestamp())::double precision * 1000 AS now,
  CASE WHEN current_setting('track_counts')::boolean THEN (
    SELECT sum(pg_stat_get_tuples_inserted(oid) + pg_stat_get_tuples_updated(oid))
    FROM (SELECT 'service_statuses'::regclass AS relid UNION SELECT relid FROM pg_partition_tree('service_statuses')) AS parts
    JOIN pg_class ON oid = relid AND relkind = 'r'
  ) END::double precision AS writes`;

/** Reads what is asked for every two seconds. No statement reads more than some rows of an index. */
export async function readPresent(query: Query): Promise<Present> {
  const replicas = await query<ReplicaRow & Record<string, unknown>>(replicasText);
  const transitions = await query<RecentTransition & Record<string, unknown>>(transitionsText);
  const [counted] = await query<{ now: number; writes: number | null }>(writesText);
  return {
    now: counted?.now ?? Date.now(),
    replicas,
    transitions,
    writes: counted?.writes ?? undefined,
  };
}

export const statementsOfPresent = {
  replicas: replicasText,
  transitions: transitionsText,
  writes: writesText,
};

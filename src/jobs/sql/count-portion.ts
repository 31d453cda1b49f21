import type { JobDb } from '../contract.ts';
import { sweepStatuses } from '../sweep-statuses.ts';

export interface CensusLimits {
  /** Milliseconds. */
  readonly heartbeatExpiry: number;
  /** Milliseconds. */
  readonly buildTimeout: number;
}

/** The counts of a portion of the table. */
export interface Portion extends Record<string, unknown> {
  /** Guests that were heard of in half of the expiry. */
  readonly fresh: number;
  /** Guests that were not. */
  readonly late: number;
  /** Those of them that were not heard of for the whole of it. */
  readonly silent: number;
  /** Builds beyond their time. */
  readonly overdue: number;
  /** The ids of the silent ones and the overdue builds. */
  readonly ids: ReadonlyArray<string>;
  /** The fresh ones whose last heartbeat has a time of sending. */
  readonly recent: number;
  /** Those of them whose heartbeat was on its way for half of the expiry. */
  readonly delayed: number;
}

const [alive, building] = [sweepStatuses.alive, sweepStatuses.building].map((ids) => ids.join(', '));

const inRange =
  "ctid >= format('(%s,0)', $3::bigint)::tid AND ctid < format('(%s,0)', $3::bigint + $4::bigint)::tid";

/**
 * Reads a range of the table's blocks in their order on disk, since the time of the last contact has no index. A scan by the index on the id
 * takes 15 times as long. Of a partitioned table it reads the same range of each partition. The first OFFSET 0 keeps that the conditions
 * are evaluated once a row. `date_part` takes a third of the time of `extract`, which makes a numeric. The instances are only looked up
 * for those that are not fresh. The second OFFSET 0 keeps that a look-up for each: otherwise each portion would read the whole table of
 * instances.
 */
const text = `
WITH clock AS MATERIALIZED (
  SELECT now() AT TIME ZONE 'utc' AS now, $1::double precision * interval '1 ms' AS expiry,
    $2::double precision * interval '1 ms' AS build
), counted AS MATERIALIZED (
  SELECT count(*) FILTER (WHERE is_fresh) AS fresh,
    count(*) FILTER (WHERE is_fresh AND sent > '-infinity') AS recent,
    count(*) FILTER (
      WHERE is_fresh AND sent > '-infinity' AND date_part('epoch', updated_at) - sent > $1::double precision / 2000
    ) AS delayed,
    array_agg(instance_id) FILTER (WHERE NOT is_fresh) AS ids,
    array_agg(builds) FILTER (WHERE NOT is_fresh) AS builds,
    array_agg(updated_at) FILTER (WHERE NOT is_fresh) AS contacts
  FROM (
    SELECT instance_id, updated_at, sent, status_id IN (${building}) AS builds,
      status_id IN (${alive}) AND updated_at >= (SELECT now - expiry / 2 FROM clock) AS is_fresh
    FROM service_statuses
    WHERE ${inRange}
      AND (status_id IN (${alive}) OR (status_id IN (${building}) AND updated_at < (SELECT now - build FROM clock)))
    OFFSET 0
  ) AS stored
), quiet AS MATERIALIZED (
  SELECT stored.instance_id, builds, builds OR contact < (SELECT now - expiry FROM clock) AS is_due
  FROM (SELECT unnest(ids) AS instance_id, unnest(builds) AS builds, unnest(contacts) AS contact FROM counted) AS stored,
    LATERAL (SELECT deleted FROM instances WHERE instances.id = stored.instance_id OFFSET 0) AS instance
  WHERE NOT coalesce(instance.deleted, false)
)
SELECT fresh::integer, recent::integer, delayed::integer,
  (SELECT count(*) FROM quiet WHERE NOT builds)::integer AS late,
  (SELECT count(*) FROM quiet WHERE NOT builds AND is_due)::integer AS silent,
  (SELECT count(*) FROM quiet WHERE builds)::integer AS overdue,
  ARRAY(SELECT instance_id::text FROM quiet WHERE is_due LIMIT $5::bigint) AS ids
FROM counted`;

/** Counts the statuses in a range of blocks. @param most ids at most. */
export async function countPortion(
  db: JobDb,
  { heartbeatExpiry, buildTimeout }: CensusLimits,
  blocks: { readonly from: number; readonly count: number },
  most: number,
): Promise<Portion> {
  // Compiling the statement takes longer than running it.
  await db.query('', 'SET LOCAL jit = off', []);
  const values = [heartbeatExpiry, buildTimeout, blocks.from, blocks.count, most];
  const [row] = await db.query<Portion>('count-portion', text, values);
  if (row === undefined) throw new Error('a count has no row');
  return row;
}

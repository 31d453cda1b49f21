import { pause } from '../../core/backoff.ts';
import type { SilentInstance, StatusCount } from '../../core/page-data.ts';
import type { Query } from '../query.ts';

/** The counts of the fleet. */
export interface Fleet {
  readonly statuses: ReadonlyArray<Omit<StatusCount, 'change'>>;
  readonly silent: number;
  readonly oldest: ReadonlyArray<SilentInstance>;
}

/** The codes of statuses, as the sweep sees them. */
export interface FleetStatuses {
  readonly alive: ReadonlyArray<number>;
  /** The sweep gives it to silent ones. */
  readonly unknown: number;
}

interface Portion extends Record<string, unknown> {
  readonly statuses: ReadonlyArray<{ readonly id: number; readonly status: string; readonly count: number }>;
  readonly silent: number;
  readonly oldest: ReadonlyArray<SilentInstance>;
}

/** Runs statements in one transaction. */
export type Transaction = <Result>(work: (query: Query) => Promise<Result>) => Promise<Result>;

/** Blocks of one statement: 4 MB, some ten milliseconds. */
const step = 500;
/** The pause after a statement, as a multiple of its time, so that heartbeats have the database for themselves most of the time. */
export const rest = 1;
/** The oldest ones that are kept, and how many of a step are looked up for them. */
const mostOldest = 10;
const mostLooked = 200;

/** Of a partitioned table: those of its largest partition. */
const blocksText = `
SELECT (coalesce(
    (SELECT max(pg_relation_size(relid)) FROM pg_partition_tree('service_statuses') WHERE isleaf),
    pg_relation_size('service_statuses')
  ) / current_setting('block_size')::integer)::integer AS blocks`;

const inRange =
  "ctid >= format('(%s,0)', $1::bigint)::tid AND ctid < format('(%s,0)', $1::bigint + $2::bigint)::tid";
/** Computed once. The last contact of the oldest ones that are known bounds it: nothing younger can be among them. */
const limits = `(SELECT now() AT TIME ZONE 'utc' - $5::double precision * interval '1 ms' AS silent)`;
const isSilent = `updated_at < ${limits}`;
const isOld = `updated_at < (SELECT least(silent, to_timestamp($6::double precision / 1000) AT TIME ZONE 'utc') FROM ${limits} AS at)
  AND (status_id = ANY($3::integer[]) OR status_id = $4::integer)`;

/**
 * Reads a range of the table's blocks in their order on disk, since neither the status nor the last contact has an index. Whether an instance
 * is deleted is only looked up for the oldest ones, and for so many of them: a look-up for each would take seconds once the whole fleet is silent.
 */
const portionText = `
WITH counted AS MATERIALIZED (
  SELECT status_id AS id, status_description AS status, count(*)::integer AS count, count(*) FILTER (WHERE ${isSilent}) AS silent,
    array_agg(instance_id) FILTER (WHERE ${isOld}) AS old_ids, array_agg(updated_at) FILTER (WHERE ${isOld}) AS old_since
  FROM service_statuses WHERE ${inRange} GROUP BY status_id, status_description
), oldest AS MATERIALIZED (
  SELECT old.id, status, extract(epoch FROM heard)::double precision * 1000 AS "heardAt"
  FROM (
    SELECT one.id, status, heard FROM counted, unnest(old_ids, old_since) AS one (id, heard) ORDER BY heard LIMIT ${mostLooked}
  ) AS old, LATERAL (SELECT deleted FROM instances WHERE instances.id = old.id OFFSET 0) AS instance
  WHERE NOT coalesce(deleted, false)
  ORDER BY heard LIMIT ${mostOldest}
)
SELECT coalesce((SELECT json_agg(json_build_object('id', id, 'status', status, 'count', count)) FROM counted), '[]') AS statuses,
  coalesce((SELECT sum(silent) FROM counted WHERE id = ANY($3::integer[])), 0)::integer AS silent,
  coalesce((SELECT json_agg(oldest) FROM oldest), '[]') AS oldest`;

/**
 * Counts the statuses, in steps that read each block once and lock nothing.
 *
 * @param expiry milliseconds without contact after which a guest is silent.
 * @param goesOn called before each step; false ends the count.
 * @returns undefined if the count was ended.
 */
export async function countFleet(
  transaction: Transaction,
  { alive, unknown }: FleetStatuses,
  expiry: number,
  goesOn: () => Promise<boolean>,
): Promise<Fleet | undefined> {
  const [size] = await transaction((query) => query<{ blocks: number }>(blocksText));
  const counts = new Map<string, { id: number; status: string; count: number }>();
  let silent = 0;
  let oldest: ReadonlyArray<SilentInstance> = [];
  const blocks = size?.blocks ?? 0;
  for (let from = 0; from < blocks; from += step) {
    if (!(await goesOn())) return undefined;
    const began = performance.now();
    // Nothing younger than these can count any more.
    const before = oldest.length < mostOldest ? null : (oldest.at(-1)?.heardAt ?? null);
    const portion = await transaction((query) =>
      readPortion(query, [from, step, alive, unknown, expiry, before]),
    );
    for (const { id, status, count } of portion.statuses) {
      const known = counts.get(`${id} ${status}`);
      if (known === undefined) counts.set(`${id} ${status}`, { id, status, count });
      else known.count += count;
    }
    silent += portion.silent;
    oldest = [...oldest, ...portion.oldest].sort((a, b) => a.heardAt - b.heardAt).slice(0, mostOldest);
    if (from + step < blocks) await pause(rest * (performance.now() - began));
  }
  const statuses = [...counts.values()]
    .map(({ id, status, count }) => ({ status, count, isAlive: alive.includes(id) }))
    .sort((a, b) => b.count - a.count || (a.status < b.status ? -1 : 1));
  return { statuses, silent, oldest };
}

async function readPortion(query: Query, values: unknown[]): Promise<Portion> {
  // Compiling the statement takes longer than running it.
  await query('SET LOCAL jit = off');
  const [portion] = await query<Portion>(portionText, values);
  if (portion === undefined) throw new Error('a count has no row');
  return portion;
}

export const statementsOfCount = { blocks: blocksText, portion: portionText };

import type { FleetSnapshot } from '../../core/page-data.ts';
import type { Query } from '../query.ts';

/** Milliseconds between the beginnings of two counts of the fleet, of all replicas together. */
export const countInterval = 10_000;
/** Milliseconds for which a claim holds. A replica that counts extends it at each step. */
const claimFor = 15_000;

/** The row, as a replica finds it. */
export interface Stored {
  readonly content: FleetSnapshot | null;
  /** Whether a replica may count now. */
  readonly isDue: boolean;
}

const isDue = (table: string) => `${table}.begun_at <= clock_timestamp() - interval '${countInterval} ms'
  AND (${table}.claimed_until IS NULL OR ${table}.claimed_until < clock_timestamp())`;
const claimEnd = `clock_timestamp() + interval '${claimFor} ms'`;

const readText = `SELECT content, ${isDue('stored')} AS "isDue" FROM page_snapshots AS stored`;

const claimText = `
INSERT INTO page_snapshots AS stored (id, begun_at, claimed_until) VALUES (1, clock_timestamp(), ${claimEnd})
ON CONFLICT (id) DO UPDATE SET begun_at = excluded.begun_at, claimed_until = excluded.claimed_until
WHERE ${isDue('stored')}
RETURNING begun_at::text AS claim, extract(epoch FROM begun_at)::double precision * 1000 AS "begunAt"`;

const extendText = `
UPDATE page_snapshots SET claimed_until = ${claimEnd}
WHERE begun_at = $1::timestamptz AND claimed_until IS NOT NULL RETURNING 1 AS kept`;

const storeText = `
UPDATE page_snapshots SET content = $2::json, taken_at = clock_timestamp(), claimed_until = NULL
WHERE begun_at = $1::timestamptz AND claimed_until IS NOT NULL`;

/** The last counts, of any replica. */
export async function readSnapshot(query: Query): Promise<Stored> {
  const [row] = await query<{ content: FleetSnapshot | null; isDue: boolean }>(readText);
  return row ?? { content: null, isDue: true };
}

/** A right to count the fleet, which one replica at a time has. */
export interface Claim extends Record<string, unknown> {
  readonly claim: string;
  /** The database's clock, in milliseconds since the epoch. */
  readonly begunAt: number;
}

/** Undefined if another replica counts, or has begun to within the last ten seconds. */
export async function claimCount(query: Query): Promise<Claim | undefined> {
  await waitForNoDisk(query);
  const [claim] = await query<Claim>(claimText);
  return claim;
}

/** Whether the claim still holds. It then holds for some seconds more. */
export async function extendClaim(query: Query, { claim }: Claim): Promise<boolean> {
  await waitForNoDisk(query);
  return (await query(extendText, [claim])).length > 0;
}

/** Ends the claim. Without effect if another replica has one. */
export async function storeSnapshot(query: Query, { claim }: Claim, content: FleetSnapshot): Promise<void> {
  await waitForNoDisk(query);
  await query(storeText, [claim, JSON.stringify(content)]);
}

/** A lost count does no harm. So it waits neither for the disk nor for a standby. */
async function waitForNoDisk(query: Query): Promise<void> {
  await query('SET LOCAL synchronous_commit = off');
}

import type { LeftSession } from '../../core/gateway/adoption.ts';
import type { JobDb } from '../contract.ts';

export interface ClaimOptions {
  readonly transport: string;
  /** Of this replica. */
  readonly replica: string;
  readonly clientId: string;
  /** Milliseconds without a sign of life after which a replica is gone. */
  readonly after: number;
  /** Milliseconds until the claim runs out. */
  readonly lasts: number;
}

/** A peer that claims at the same time skips the locked row. */
const claim = `
UPDATE replicas AS stored SET adopter = $2, claimed_until = clock_timestamp() + $5::double precision * interval '1 ms'
FROM (
  SELECT client_id FROM replicas
  WHERE transport = $1 AND subscription IS NOT NULL AND client_id <> $3
    AND seen_at < clock_timestamp() - $4::double precision * interval '1 ms'
    AND (claimed_until IS NULL OR claimed_until < clock_timestamp())
  ORDER BY seen_at LIMIT 1 FOR UPDATE SKIP LOCKED
) AS chosen
WHERE stored.transport = $1 AND stored.client_id = chosen.client_id
RETURNING stored.client_id, stored.subscription, stored.replica`;

/** Claims the session that waits for longest. */
export async function claimSession(
  db: JobDb,
  { transport, replica, clientId, after, lasts }: ClaimOptions,
): Promise<LeftSession | undefined> {
  const values = [transport, replica, clientId, after, lasts];
  const [row] = await db.query<{ client_id: string; subscription: string; replica: string }>(
    'claim-session',
    claim,
    values,
  );
  return row && { clientId: row.client_id, subscription: row.subscription, replica: row.replica };
}

/** A claimed session, and the replica that claims it. */
export interface Claim {
  readonly transport: string;
  readonly clientId: string;
  readonly adopter: string;
}

const isClaimed = 'transport = $1 AND client_id = $2 AND adopter = $3';

/**
 * Lets the claim last for so many milliseconds from now on.
 *
 * @returns false: the claim is lost. The owner is back, or a peer has the session.
 */
export async function extendClaim(db: JobDb, claimed: Claim, lasts: number): Promise<boolean> {
  const rows = await db.query(
    'extend-claim',
    `UPDATE replicas SET claimed_until = clock_timestamp() + $4::double precision * interval '1 ms'
     WHERE ${isClaimed} RETURNING 1`,
    [...valuesOf(claimed), lasts],
  );
  return rows.length > 0;
}

/** Locks the row until the end of the transaction, so that neither the owner nor a peer gets on. Resolves with whether it is claimed still. */
export async function lockClaim(db: JobDb, claimed: Claim): Promise<boolean> {
  const rows = await db.query(
    'lock-claim',
    `SELECT FROM replicas WHERE ${isClaimed} AND claimed_until > clock_timestamp() FOR UPDATE`,
    valuesOf(claimed),
  );
  return rows.length > 0;
}

/** The session is gone. */
export async function removeClaimed(db: JobDb, claimed: Claim): Promise<void> {
  await db.query('remove-claimed', `DELETE FROM replicas WHERE ${isClaimed}`, valuesOf(claimed));
}

function valuesOf({ transport, clientId, adopter }: Claim): string[] {
  return [transport, clientId, adopter];
}

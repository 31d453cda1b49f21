import type { Db } from '../../postgres/transaction.ts';

/** What tells one call from another, and its repetition from one that only has its id. */
export interface CallIdentity {
  readonly principal: string;
  readonly messageId: string;
  /** SHA-256 of method and arguments. */
  readonly digest: Buffer;
}

/** What is known of a call that was claimed before. */
export interface EarlierCall {
  readonly sameCall: boolean;
  /** JSON. */
  readonly result: string;
}

/** Waits for a transaction that has claimed the same call: if that is undone, the claim is ours. */
const claim = `
INSERT INTO call_results (principal, message_id, call_digest) VALUES ($1, $2, $3)
ON CONFLICT (principal, message_id) DO NOTHING
RETURNING true`;

/** By a snapshot of its own, which sees what the claim has waited for. */
const read = `
SELECT call_digest = $3 AS "sameCall", result FROM call_results WHERE principal = $1 AND message_id = $2`;

/**
 * Claims a call for this transaction; nobody else can until it ends.
 *
 * @returns undefined: it is ours to execute. Otherwise somebody has executed it.
 */
export async function claimCall(
  db: Db,
  { principal, messageId, digest }: CallIdentity,
): Promise<EarlierCall | undefined> {
  const values = [principal, messageId, digest];
  // It may expire between the two statements, and is then ours after all.
  for (;;) {
    const claimed = await db.query('claim-call', claim, values);
    if (claimed.length > 0) return undefined;
    const [earlier] = await db.query<{ sameCall: boolean; result: string }>('read-call', read, values);
    if (earlier !== undefined) return earlier;
  }
}

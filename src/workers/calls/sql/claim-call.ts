import type { Db } from '../../postgres/transaction.ts';

/** Identifies a call by principal and message id. The digest tells its repetition from another call with the same id. */
export interface CallIdentity {
  readonly principal: string;
  readonly messageId: string;
  /** SHA-256 of method and arguments. */
  readonly digest: Buffer;
}

/** A call that was claimed before. */
export interface EarlierCall {
  readonly sameCall: boolean;
  /** JSON. */
  readonly result: string;
}

/** Waits for a transaction that has claimed the same call. If that transaction is rolled back, the claim succeeds. */
const claim = `
INSERT INTO call_results (principal, message_id, call_digest) VALUES ($1, $2, $3)
ON CONFLICT (principal, message_id) DO NOTHING
RETURNING true`;

/** A statement of its own, since its snapshot sees the transaction that the claim has waited for. */
const read = `
SELECT call_digest = $3 AS "sameCall", result FROM call_results WHERE principal = $1 AND message_id = $2`;

/**
 * Claims a call for this transaction. No other transaction can claim it until this one ends.
 *
 * @returns undefined if this transaction executes the call. Otherwise the call has been executed before.
 */
export async function claimCall(
  db: Db,
  { principal, messageId, digest }: CallIdentity,
): Promise<EarlierCall | undefined> {
  const values = [principal, messageId, digest];
  // The stored call may expire between the two statements. Then the second round claims it.
  for (;;) {
    const claimed = await db.query('claim-call', claim, values);
    if (claimed.length > 0) return undefined;
    const [earlier] = await db.query<{ sameCall: boolean; result: string }>('read-call', read, values);
    if (earlier !== undefined) return earlier;
  }
}

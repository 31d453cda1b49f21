import type { Db } from '../../../postgres/transaction.ts';

/** Skips a row that another replica has locked: the row's claim is not ours any more. */
const text = `
WITH kept AS MATERIALIZED (
  SELECT id FROM notification_outbox WHERE id = ANY($1::bigint[]) ORDER BY id FOR UPDATE SKIP LOCKED
)
UPDATE notification_outbox AS stored SET next_attempt_at = now() FROM kept WHERE stored.id = kept.id`;

/** Gives up the claim to notifications that were not tried. */
export async function releaseNotifications(db: Db, rows: ReadonlyArray<string>): Promise<void> {
  await db.query('release-notifications', text, [rows]);
}

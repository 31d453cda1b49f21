import type { Db } from '../../../postgres/transaction.ts';

/** Milliseconds until a notification is tried again. The delay doubles with each attempt. */
const delay = { first: 1000, longest: 60_000 };

/** Skips a row that another replica has locked: the row's claim is not ours any more. */
const text = `
WITH input AS (
  SELECT * FROM unnest($1::bigint[], $2::text[]) AS input(id, error)
), kept AS MATERIALIZED (
  SELECT stored.id, input.error
  FROM notification_outbox AS stored JOIN input USING (id)
  ORDER BY stored.id
  FOR UPDATE OF stored SKIP LOCKED
)
UPDATE notification_outbox AS stored SET
  attempts = attempts + 1,
  error = kept.error,
  next_attempt_at = now() + least(${delay.longest}, ${delay.first} * 2 ^ least(attempts, 20)) * interval '1 ms'
FROM kept WHERE stored.id = kept.id`;

/** Stores why notifications could not be published, and when they are tried again. */
export async function postponeNotifications(
  db: Db,
  failed: ReadonlyArray<{ readonly row: string; readonly error: string }>,
): Promise<void> {
  await db.query('postpone-notifications', text, [
    failed.map(({ row }) => row),
    failed.map(({ error }) => error),
  ]);
}

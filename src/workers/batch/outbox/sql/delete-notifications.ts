import type { Db } from '../../../postgres/transaction.ts';

/** Skips a row that another replica has locked: it claims the row anew, and publishes it once more. */
const text = `
WITH done AS MATERIALIZED (
  SELECT id FROM notification_outbox WHERE id = ANY($1::bigint[]) ORDER BY id FOR UPDATE SKIP LOCKED
)
DELETE FROM notification_outbox USING done WHERE notification_outbox.id = done.id`;

/** Deletes notifications that the broker has. */
export async function deleteNotifications(db: Db, rows: ReadonlyArray<string>): Promise<void> {
  await db.query('delete-notifications', text, [rows]);
}

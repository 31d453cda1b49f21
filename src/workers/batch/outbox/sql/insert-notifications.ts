import type { Db } from '../../../postgres/transaction.ts';

/** A new row of notification_outbox. */
export interface StoredNotification {
  readonly transport: string;
  readonly topic: string;
  readonly messageId: string;
  readonly instanceId: string | null;
  readonly body: Buffer;
  /** As JSON; null if there is none. */
  readonly trace: string | null;
}

const text = `
INSERT INTO notification_outbox (transport, topic, message_id, instance_id, body, trace_context)
SELECT transport, topic, message_id, instance_id, body, trace::json
FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::bytea[], $6::text[])
  WITH ORDINALITY AS input(transport, topic, message_id, instance_id, body, trace, position)
ORDER BY position`;

/** @param notifications in the order in which those of an instance are published. */
export async function insertNotifications(
  db: Db,
  notifications: ReadonlyArray<StoredNotification>,
): Promise<void> {
  await db.query('insert-notifications', text, [
    notifications.map(({ transport }) => transport),
    notifications.map(({ topic }) => topic),
    notifications.map(({ messageId }) => messageId),
    notifications.map(({ instanceId }) => instanceId),
    notifications.map(({ body }) => body),
    notifications.map(({ trace }) => trace),
  ]);
}

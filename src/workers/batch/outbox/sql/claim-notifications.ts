import type { ClaimedNotification } from '../../../../core/message/notification.ts';
import type { Db } from '../../../postgres/transaction.ts';

/** Rows that one claim takes at most. */
export const claimLimit = 500;

/** Bytes of bodies that one claim takes at most, except for a single larger one. */
const byteLimit = 8 * 1024 * 1024;

/** Milliseconds for which a claim holds. After that another replica may claim the rows, since this one may be lost. */
export const lease = 30_000;

/**
 * Claims the due notifications of a transport, the oldest first, each with those of its instance behind it.
 *
 * Only the oldest row of an instance can begin: while it waits or another replica has it, the rows behind it stay. Two claims at once
 * cannot share an instance, since both have to lock its oldest row. A claim commits by itself, so no lock is held while the broker is
 * waited for.
 */
const text = `
WITH heads AS MATERIALIZED (
  SELECT id, instance_id FROM notification_outbox AS head
  WHERE transport = $1 AND next_attempt_at <= now() AND NOT EXISTS (
    SELECT FROM notification_outbox AS older
    WHERE older.transport = $1 AND older.instance_id = head.instance_id AND older.id < head.id)
  ORDER BY id LIMIT ${claimLimit}
  FOR UPDATE SKIP LOCKED
), followers AS MATERIALIZED (
  SELECT id FROM notification_outbox
  WHERE transport = $1 AND instance_id IN (SELECT instance_id FROM heads)
  ORDER BY id LIMIT ${claimLimit}
  FOR UPDATE
), sized AS (
  SELECT id, sum(octet_length(body)) OVER (ORDER BY id) - octet_length(body) AS before
  FROM notification_outbox
  WHERE id = ANY(ARRAY(SELECT id FROM heads UNION SELECT id FROM followers))
), chosen AS (
  SELECT id FROM sized WHERE before < ${byteLimit} ORDER BY id LIMIT ${claimLimit}
), claimed AS (
  UPDATE notification_outbox AS outbox SET next_attempt_at = now() + ${lease} * interval '1 ms'
  FROM chosen WHERE outbox.id = chosen.id
  RETURNING outbox.id, topic, message_id, instance_id, body, trace_context
)
SELECT id AS row, topic, message_id AS "messageId", instance_id AS "instanceId", body, trace_context AS trace
FROM claimed ORDER BY id`;

export function claimNotifications(db: Db, transport: string): Promise<ClaimedNotification[]> {
  return db.query<ClaimedNotification>('claim-notifications', text, [transport]);
}

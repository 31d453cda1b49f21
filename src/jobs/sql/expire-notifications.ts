import type { JobDb } from '../contract.ts';

/** Notifications that one statement looks at. */
export const expireStep = 500;

/** Bytes of a dead letter's body that are kept. */
const keptBody = 64 * 1024;

/** A notification that has become a dead letter. */
export interface ExpiredNotification extends Record<string, unknown> {
  readonly transport: string;
  readonly instanceId: string | undefined;
  readonly messageId: string;
  readonly detail: string;
}

/**
 * Moves the oldest notifications to the dead letters: those past their age, and those beyond `maxRows`. It goes by the index on id
 * alone. A row that is claimed or published at this moment may be locked, and waits for the next round.
 */
const text = `
WITH oldest AS MATERIALIZED (
  SELECT id, created_at FROM notification_outbox ORDER BY id LIMIT ${expireStep} FOR UPDATE SKIP LOCKED
), surplus AS (
  SELECT max(id) AS id FROM (SELECT id FROM notification_outbox ORDER BY id DESC OFFSET $1::bigint LIMIT 1) AS last
), expired AS (
  DELETE FROM notification_outbox AS outbox USING oldest, surplus
  WHERE outbox.id = oldest.id
    AND (oldest.created_at < now() - $2::double precision * interval '1 ms' OR oldest.id <= surplus.id)
  RETURNING outbox.*, coalesce(oldest.id <= surplus.id, false) AS too_many
)
INSERT INTO dead_letters
  (transport, reason, detail, instance_id, message_id, topic, body, body_size, body_digest, redacted)
SELECT transport, 'unpublished',
  CASE WHEN too_many THEN 'there are too many notifications (outbox.maxRows)'
    ELSE 'it could not be published in time (outbox.maxAge)' END
    || coalesce('; the last try: ' || error, '; it was not tried'),
  instance_id, message_id, topic, CASE WHEN $3::boolean THEN substring(body FOR ${keptBody}) END, octet_length(body),
  sha256(body), NOT $3
FROM expired ORDER BY id
RETURNING transport, instance_id AS "instanceId", message_id AS "messageId", detail`;

export interface OutboxBounds {
  readonly maxRows: number;
  /** Milliseconds. */
  readonly maxAge: number;
  /** Whether the dead letters keep the bodies. */
  readonly keepsBody: boolean;
}

/**
 * @returns the notifications that were moved, `expireStep` at most.
 */
export async function expireNotifications(
  db: JobDb,
  { maxRows, maxAge, keepsBody }: OutboxBounds,
): Promise<ExpiredNotification[]> {
  const rows = await db.query<ExpiredNotification & { instanceId: string | null }>(
    'expire-notifications',
    text,
    [maxRows, maxAge, keepsBody],
  );
  return rows.map((row) => ({ ...row, instanceId: row.instanceId ?? undefined }));
}

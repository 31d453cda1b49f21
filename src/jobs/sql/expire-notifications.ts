import { readableMessage, redactMessage } from '../../core/message/redact.ts';
import type { JobDb } from '../contract.ts';

/** Notifications that one statement looks at. Their bodies are in memory while values are taken out of them. */
export const expireStep = 100;

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
 * The oldest notifications: those past their age, and those beyond `maxRows`. It goes by the index on id alone. It locks only those that
 * are to go: a publisher does not wait for a locked row, and would publish the notification once more. A row that is claimed or
 * published at this moment may be locked, and waits for the next round.
 */
const choose = `
WITH surplus AS (
  SELECT max(id) AS id FROM (SELECT id FROM notification_outbox ORDER BY id DESC OFFSET $1::bigint LIMIT 1) AS last
)
SELECT outbox.id, coalesce(outbox.id <= surplus.id, false) AS "isTooMany", CASE WHEN $3::boolean THEN body END AS body
FROM notification_outbox AS outbox, surplus
WHERE outbox.id = ANY(ARRAY(SELECT id FROM notification_outbox ORDER BY id LIMIT ${expireStep}))
  AND (created_at < now() - $2::double precision * interval '1 ms' OR outbox.id <= surplus.id)
ORDER BY outbox.id
FOR UPDATE OF outbox SKIP LOCKED`;

/** Moves them to the dead letters. A redacted body takes the place of the own one; it may be null. */
const move = `
WITH chosen AS (
  SELECT * FROM unnest($1::bigint[], $2::boolean[], $3::boolean[], $4::bytea[]) AS chosen (id, too_many, redacted, shown)
), expired AS (
  DELETE FROM notification_outbox AS outbox USING chosen WHERE outbox.id = chosen.id
  RETURNING outbox.*, too_many, redacted, CASE WHEN redacted THEN shown ELSE body END AS kept
)
INSERT INTO dead_letters
  (transport, reason, detail, instance_id, message_id, topic, body, body_size, body_digest, redacted, trace_context)
SELECT transport, 'unpublished',
  CASE WHEN too_many THEN 'there are too many notifications (outbox.maxRows)'
    ELSE 'it could not be published in time (outbox.maxAge)' END
    || coalesce('; the last try: ' || error, '; it was not tried'),
  instance_id, message_id, topic, substring(kept FOR ${keptBody}), octet_length(body), sha256(body), redacted, trace_context
FROM expired ORDER BY id
RETURNING transport, instance_id AS "instanceId", message_id AS "messageId", detail`;

export interface OutboxBounds {
  readonly maxRows: number;
  /** Milliseconds. */
  readonly maxAge: number;
  /** Names of arguments whose values the dead letters do not keep. */
  readonly redact: ReadonlyArray<string>;
}

/** A notification that is too old, or too many. Its body is null if all of it may be kept. */
interface Chosen extends Record<string, unknown> {
  readonly id: string;
  readonly isTooMany: boolean;
  readonly body: Buffer | null;
}

/**
 * Moves the oldest notifications to the dead letters.
 *
 * @returns those that were moved, `expireStep` at most.
 */
export async function expireNotifications(
  db: JobDb,
  { maxRows, maxAge, redact }: OutboxBounds,
): Promise<ExpiredNotification[]> {
  const chosen = await db.query<Chosen>('choose-expired', choose, [maxRows, maxAge, redact.length > 0]);
  if (chosen.length === 0) return [];
  const names = new Set(redact);
  const shown = chosen.map(({ body }) => (body === null ? undefined : shownOf(body, names)));
  const rows = await db.query<ExpiredNotification & { instanceId: string | null }>('move-expired', move, [
    chosen.map(({ id }) => id),
    chosen.map(({ isTooMany }) => isTooMany),
    shown.map((one) => one !== undefined),
    shown.map((one) => one?.body ?? null),
  ]);
  return rows.map((row) => ({ ...row, instanceId: row.instanceId ?? undefined }));
}

/** What may be kept of a body; undefined if all of it may. */
function shownOf(body: Buffer, names: ReadonlySet<string>): { body: Buffer | null } | undefined {
  const message = readableMessage(body);
  if (message === undefined) return { body: null };
  const found: string[] = [];
  const redacted = redactMessage(message, names, found);
  return found.length === 0 ? undefined : { body: Buffer.from(JSON.stringify(redacted)) };
}

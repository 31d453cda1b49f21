import type { Db } from '../../../postgres/transaction.ts';

/** Skips a row that another session has locked: it is redriven or deleted there. A body that is cut is not published. */
const text = `
WITH waiting AS MATERIALIZED (
  SELECT id, transport, topic, message_id, instance_id, coalesce(edited_body, body) AS body, trace_context
  FROM dead_letters
  WHERE id = ANY($1::bigint[]) AND topic IS NOT NULL AND redrive_at IS NOT NULL AND redriven_at IS NULL
    AND (edited_body IS NOT NULL OR NOT redacted AND octet_length(body) >= body_size)
  ORDER BY id
  FOR UPDATE SKIP LOCKED
), stored AS (
  INSERT INTO notification_outbox (transport, topic, message_id, instance_id, body, trace_context)
  SELECT transport, topic, message_id, instance_id, body, trace_context FROM waiting ORDER BY id
)
UPDATE dead_letters SET redriven_at = now(), redrive_outcome = 'applied', redrives = redrives + 1,
  edited_body = CASE WHEN $2::boolean THEN edited_body END
FROM waiting WHERE dead_letters.id = waiting.id
RETURNING dead_letters.id`;

/**
 * Returns dead letters that are notifications to the outbox, and marks them as redriven.
 *
 * @param keepsEdited whether an edited body may be kept: it has the values that the letter may not keep.
 * @returns how many.
 */
export async function returnLetters(
  db: Db,
  ids: ReadonlyArray<string>,
  keepsEdited: boolean,
): Promise<number> {
  return (await db.query('return-letters', text, [ids, keepsEdited])).length;
}

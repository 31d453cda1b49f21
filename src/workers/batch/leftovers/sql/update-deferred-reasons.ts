import type { DeferredReason } from '../../../../core/message/outcome.ts';
import type { Db } from '../../../postgres/transaction.ts';

const text = `
WITH input AS (
  SELECT * FROM unnest($1::text[], $2::text[], $3::text[]) AS input(method, key, reason)
), kept AS MATERIALIZED (
  SELECT deferred.method, deferred.key, input.reason
  FROM deferred JOIN input USING (method, key)
  ORDER BY method, key
  FOR UPDATE OF deferred
)
UPDATE deferred SET
  reason = kept.reason,
  failing_since = CASE WHEN kept.reason = 'unproven' THEN coalesce(deferred.failing_since, now()) END
FROM kept WHERE deferred.method = kept.method AND deferred.key = kept.key`;

/** Stores the new reasons of retried messages that still wait. */
export async function updateDeferredReasons(
  db: Db,
  messages: ReadonlyArray<{ readonly method: string; readonly key: string; readonly reason: DeferredReason }>,
): Promise<void> {
  await db.query('update-deferred-reasons', text, [
    messages.map(({ method }) => method),
    messages.map(({ key }) => key),
    messages.map(({ reason }) => reason),
  ]);
}

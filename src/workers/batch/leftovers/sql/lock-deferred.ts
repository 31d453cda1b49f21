import type { Db } from '../../../postgres/transaction.ts';

const text = `
SELECT method, key FROM deferred JOIN unnest($1::text[], $2::text[]) AS input(method, key) USING (method, key)
WHERE sent = '-infinity'
ORDER BY method, key
FOR UPDATE OF deferred`;

/** Locks the deferred messages without a guard that are still in the table. */
export function lockDeferred(
  db: Db,
  messages: ReadonlyArray<{ readonly method: string; readonly key: string }>,
): Promise<{ method: string; key: string }[]> {
  return db.query('lock-deferred', text, [
    messages.map(({ method }) => method),
    messages.map(({ key }) => key),
  ]);
}

import type { Db } from '../../../postgres/transaction.ts';

/** Identifies one version of a deferred message's row, since a newer message may be merged into the row. */
interface DeferredVersion {
  readonly method: string;
  readonly key: string;
  readonly sent: number;
}

/** A row stays if a newer message has been merged into it meanwhile. Rows are locked in the order of their keys. */
const text = `
WITH input AS (
  SELECT * FROM unnest($1::text[], $2::text[], $3::double precision[]) AS input(method, key, sent)
), done AS MATERIALIZED (
  SELECT deferred.method, deferred.key
  FROM deferred JOIN input USING (method, key)
  WHERE deferred.sent = input.sent
  ORDER BY method, key
  FOR UPDATE OF deferred
)
DELETE FROM deferred USING done WHERE deferred.method = done.method AND deferred.key = done.key`;

export async function deleteDeferred(db: Db, claimed: ReadonlyArray<DeferredVersion>): Promise<void> {
  await db.query('delete-deferred', text, [
    claimed.map(({ method }) => method),
    claimed.map(({ key }) => key),
    claimed.map(({ sent }) => sent),
  ]);
}

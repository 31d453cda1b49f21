import type { DeferredReason } from '../../../../core/message/outcome.ts';
import type { Db } from '../../../postgres/transaction.ts';
import type { DeferredRow } from './take-deferred.ts';

export interface ClaimedMessage extends DeferredRow {
  /** The version of the row that was claimed, since a newer message may be merged into the row meanwhile. */
  readonly sent: number;
  readonly reason: DeferredReason;
  /** Milliseconds since its first failure, by the database's clock; null if it has not failed. */
  readonly failingFor: number | null;
  /** Whether this is its last retry: it is too old, or the table has too many rows. */
  readonly last: boolean;
}

export interface ClaimOptions {
  readonly limit: number;
  /** Milliseconds. */
  readonly firstDelay: number;
  readonly maxDelay: number;
  readonly maxAge: number;
  readonly maxRows: number;
  readonly transport: string;
  /** Methods under their names in `deferred.method`. */
  readonly methods: ReadonlyArray<string>;
}

/**
 * Claims messages that are due, and those beyond `maxRows`: the oldest ones of the instances that have the most, so that a guest in a
 * loop does not push out the messages of others. A message whose row is locked, or for which nobody is blamed, is
 * never surplus. The claim commits by itself and moves the next attempt into the future. So no lock on these rows is held while the
 * messages are applied, since batches lock them last.
 */
const text = `
WITH surplus AS (
  SELECT method, key FROM deferred
  WHERE reason IN ('unknown', 'contended', 'over_quota') AND transport = $6 AND method = ANY($7::text[])
  ORDER BY count(*) OVER (PARTITION BY instance_id) DESC, first_deferred_at
  LIMIT (SELECT least($1::bigint, greatest(0, count(*) - $5::bigint)) FROM deferred)
), due AS (
  SELECT method, key, (method, key) IN (SELECT method, key FROM surplus) AS too_many
  FROM deferred
  WHERE (next_attempt_at <= now() AND transport = $6 AND method = ANY($7::text[]))
    OR (method, key) IN (SELECT method, key FROM surplus)
  ORDER BY next_attempt_at
  LIMIT $1
  FOR UPDATE SKIP LOCKED
)
UPDATE deferred SET
  attempts = attempts + 1,
  next_attempt_at = now() + least($3::double precision, $2::double precision * 2 ^ least(attempts, 30)) * interval '1 ms'
FROM due
WHERE deferred.method = due.method AND deferred.key = due.key
RETURNING deferred.method, deferred.key, transport, args, sent, reason, trace_context AS trace,
  (extract(epoch FROM now() - failing_since) * 1000)::double precision AS "failingFor",
  too_many OR first_deferred_at < now() - $4::double precision * interval '1 ms' AS last`;

export function claimDeferred(db: Db, options: ClaimOptions): Promise<ClaimedMessage[]> {
  const { limit, firstDelay, maxDelay, maxAge, maxRows, transport, methods } = options;
  return db.query<ClaimedMessage>('claim-deferred', text, [
    limit,
    firstDelay,
    maxDelay,
    maxAge,
    maxRows,
    transport,
    methods,
  ]);
}

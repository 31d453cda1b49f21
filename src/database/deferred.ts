import type { Query } from './query.ts';

/** Selects deferred messages. A field that is undefined selects all. */
export interface DeferredFilter {
  readonly method?: string | undefined;
  readonly instance?: string | undefined;
  readonly transport?: string | undefined;
  readonly reason?: string | undefined;
  /** Milliseconds since the message was first deferred, at least. */
  readonly olderThan?: number | undefined;
}

/** A deferred message, without its arguments. */
export interface ListedDeferred {
  /** Begins with `sealed ` if the message could not be opened yet. */
  readonly method: string;
  readonly key: string;
  readonly instance: string;
  readonly transport: string;
  readonly reason: string;
  readonly attempts: number;
  readonly firstDeferredAt: Date;
  readonly nextAttemptAt: Date;
}

/** Rows that one statement changes at most. */
const portion = 1000;

const selected = `
  ($1::text IS NULL OR method IN ($1, 'sealed ' || $1)) AND ($2::text IS NULL OR instance_id = $2)
  AND ($3::text IS NULL OR transport = $3) AND ($4::text IS NULL OR reason = $4)
  AND ($5::double precision IS NULL OR first_deferred_at < now() - $5 * interval '1 ms')`;

const list = `
SELECT method, key, instance_id AS instance, transport, reason, attempts,
  first_deferred_at AS "firstDeferredAt", next_attempt_at AS "nextAttemptAt"
FROM deferred WHERE ${selected}
ORDER BY first_deferred_at, method, key LIMIT $6`;

/** Skips the rows that a retry or a batch has locked: those are tried already. */
const retry = `
WITH waiting AS (
  SELECT method, key FROM deferred WHERE ${selected} AND next_attempt_at > now()
  ORDER BY first_deferred_at, method, key LIMIT $6
  FOR UPDATE SKIP LOCKED
), changed AS (
  UPDATE deferred SET next_attempt_at = now() FROM waiting
  WHERE deferred.method = waiting.method AND deferred.key = waiting.key
  RETURNING 1
)
SELECT count(*)::integer AS changed FROM changed`;

/** The deferred messages that a filter selects, the oldest first. */
export function listDeferred(query: Query, filter: DeferredFilter, limit: number): Promise<ListedDeferred[]> {
  return query<ListedDeferred>(list, [...valuesOf(filter), limit]);
}

/**
 * Makes deferred messages due now, the oldest first. A replica that has their transport and method retries them.
 *
 * @returns how many were not due before.
 */
export async function makeDeferredDue(query: Query, filter: DeferredFilter, limit: number): Promise<number> {
  let sum = 0;
  while (sum < limit) {
    const most = Math.min(portion, limit - sum);
    const [row] = await query<{ changed: number }>(retry, [...valuesOf(filter), most]);
    const changed = row?.changed ?? 0;
    sum += changed;
    if (changed < most) break;
  }
  return sum;
}

function valuesOf({ method, instance, transport, reason, olderThan }: DeferredFilter): unknown[] {
  return [method ?? null, instance ?? null, transport ?? null, reason ?? null, olderThan ?? null];
}

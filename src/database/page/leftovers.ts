import { pause } from '../../core/backoff.ts';
import type { LetterReason, ReasonCount } from '../../core/page-data.ts';
import type { Query } from '../query.ts';
import { rest, type Transaction } from './count-fleet.ts';

/** Deferred messages that are counted one by one. */
export const mostCounted = 10_000;
/** Transitions that the change of the counts is made of. */
export const mostTransitions = 5000;

/** The index on the next attempt gives them in their order. */
const deferredText = `
SELECT reason, count(*)::integer AS count
FROM (SELECT reason FROM deferred ORDER BY next_attempt_at LIMIT ${mostCounted + 1}) AS first_rows
GROUP BY reason ORDER BY count DESC, reason`;

/** Blocks of dead letters that one statement reads: 16 MB at most, since the bodies are in them. */
const step = 2000;

const letterBlocksText = `
SELECT (pg_relation_size('dead_letters') / current_setting('block_size')::integer)::integer AS blocks`;

const lettersText = `
SELECT reason, transport,
  count(*) FILTER (WHERE redrive_at IS NULL)::integer AS dead,
  count(*) FILTER (WHERE redrive_at IS NOT NULL AND redriven_at IS NULL)::integer AS waiting,
  count(*) FILTER (WHERE redrive_at IS NOT NULL AND redriven_at IS NOT NULL)::integer AS redriven,
  coalesce(sum(coalesce(counted, 1)) FILTER (WHERE redrive_at IS NULL), 0)::double precision AS messages,
  extract(epoch FROM max(died_at))::double precision * 1000 AS "newestAt"
FROM dead_letters
WHERE ctid >= format('(%s,0)', $1::bigint)::tid AND ctid < format('(%s,0)', $1::bigint + $2::bigint)::tid
GROUP BY reason, transport`;

/** The newest transitions have the largest ids, so the index of the primary key gives them. */
const changesText = `
WITH latest AS MATERIALIZED (
  SELECT old_status, new_status, changed_at FROM (
    SELECT old_status, new_status, changed_at FROM status_transitions ORDER BY id DESC LIMIT ${mostTransitions}
  ) AS newest
  WHERE changed_at > now() - $1::double precision * interval '1 ms'
), moved AS (
  SELECT new_status AS status, 1 AS change FROM latest
  UNION ALL SELECT old_status, -1 FROM latest WHERE old_status IS NOT NULL
)
SELECT (SELECT count(*)::integer FROM latest) AS count,
  extract(epoch FROM coalesce(
    CASE WHEN (SELECT count(*) FROM latest) = ${mostTransitions} THEN (SELECT min(changed_at) FROM latest) END,
    now() - $1::double precision * interval '1 ms'))::double precision * 1000 AS since,
  coalesce((SELECT json_object_agg(status, change) FROM (
    SELECT status, sum(change)::integer AS change FROM moved GROUP BY status
  ) AS sums), '{}') AS changes`;

/** Why deferred messages wait. The counts are of the first 10,000. */
export async function countDeferred(
  query: Query,
): Promise<{ readonly deferred: ReadonlyArray<ReasonCount>; readonly isDeferredCut: boolean }> {
  const deferred = await query<ReasonCount & Record<string, unknown>>(deferredText);
  return { deferred, isDeferredCut: deferred.reduce((sum, { count }) => sum + count, 0) > mostCounted };
}

/** The dead letters by reason and transport, the most first. It reads the whole table, in steps. */
export async function countReasons(transaction: Transaction): Promise<LetterReason[]> {
  const [size] = await transaction((query) => query<{ blocks: number }>(letterBlocksText));
  const sums = new Map<string, LetterReason>();
  const blocks = size?.blocks ?? 0;
  for (let from = 0; from < blocks; from += step) {
    const began = performance.now();
    const rows = await transaction((query) =>
      query<LetterReason & Record<string, unknown>>(lettersText, [from, step]),
    );
    for (const row of rows) {
      const key = JSON.stringify([row.reason, row.transport]);
      sums.set(key, sumOf(sums.get(key), row));
    }
    if (from + step < blocks) await pause(rest * (performance.now() - began));
  }
  return [...sums.values()].sort((a, b) => b.dead - a.dead || b.newestAt - a.newestAt);
}

function sumOf(one: LetterReason | undefined, other: LetterReason): LetterReason {
  if (one === undefined) return other;
  return {
    ...one,
    dead: one.dead + other.dead,
    waiting: one.waiting + other.waiting,
    redriven: one.redriven + other.redriven,
    messages: one.messages + other.messages,
    newestAt: Math.max(one.newestAt, other.newestAt),
  };
}

/** By how much the counts of the statuses have changed. */
export interface Changes {
  readonly count: number;
  /** Milliseconds since the epoch. Later than asked for if there were too many transitions. */
  readonly since: number;
  readonly changes: Readonly<Record<string, number>>;
}

/** @param period milliseconds. */
export async function readChanges(query: Query, period: number): Promise<Changes> {
  const [row] = await query<Changes & Record<string, unknown>>(changesText, [period]);
  if (row === undefined) throw new Error('the changes have no row');
  return row;
}

export const statementsOfLeftovers = { deferred: deferredText, letters: lettersText, changes: changesText };

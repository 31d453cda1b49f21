import type { TraceContext } from '../core/message/trace-context.ts';
import type { Query } from './query.ts';

export const letterStates = ['dead', 'waiting', 'redriven'] as const;
/** `dead`: nobody has asked for a redrive, or it died again. `waiting`: a redrive is asked for. `redriven`: it has another outcome now. */
export type LetterState = (typeof letterStates)[number];

/** Selects dead letters. A field that is undefined selects all. */
export interface LetterFilter {
  readonly ids?: ReadonlyArray<string> | undefined;
  readonly reason?: string | undefined;
  readonly method?: string | undefined;
  readonly instance?: string | undefined;
  readonly sender?: string | undefined;
  readonly transport?: string | undefined;
  readonly messageId?: string | undefined;
  /** A part of the detail, in letters of any case. */
  readonly text?: string | undefined;
  /** Milliseconds since the message died, at least. */
  readonly olderThan?: number | undefined;
  /** Milliseconds since the message died, at most. */
  readonly newerThan?: number | undefined;
  readonly state?: LetterState | undefined;
}

/** Why a letter cannot be redriven as it is. Each may be edited, but for one that only counts messages. */
export const refusals = {
  counted: 'they only count messages that were not kept',
  call: 'they are calls, whose callers no longer wait',
  redacted: 'values were taken out of their bodies (deadLetters.redact)',
  bodyless: 'they have no body',
  cut: 'only the beginning of their bodies was kept',
} as const;
export type Refusal = keyof typeof refusals;

/** A dead letter, without its body. */
export interface ListedLetter {
  readonly id: string;
  readonly diedAt: Date;
  readonly transport: string;
  readonly reason: string;
  readonly detail: string | null;
  readonly method: string | null;
  readonly instance: string | null;
  readonly messageId: string | null;
  readonly sender: string | null;
  readonly bodySize: number;
  /** How many messages the row counts; null for a row that is one message. */
  readonly counted: number | null;
  readonly state: LetterState;
  /** Why it cannot be redriven as it is; null if it can. */
  readonly refusal: Refusal | null;
  readonly editedBy: string | null;
  readonly editedAt: Date | null;
  readonly redriveAt: Date | null;
  readonly redriveBy: string | null;
  readonly redrivenAt: Date | null;
  readonly redriveOutcome: string | null;
  readonly redrives: number;
}

/** A dead letter with all that is known of it. */
export interface StoredLetter extends ListedLetter {
  readonly senderProof: string | null;
  readonly compression: string | null;
  readonly wasDeferred: boolean;
  /** Of a notification that was not published. */
  readonly topic: string | null;
  readonly body: Buffer | null;
  readonly bodyDigest: Buffer;
  readonly editedBody: Buffer | null;
  /** The trace that the message belongs to; null if its sender named none, or tracing was off. */
  readonly trace: TraceContext | null;
}

/** Letters of one transport, reason and state. */
export interface LetterCount {
  readonly transport: string;
  readonly reason: string;
  readonly state: LetterState;
  readonly letters: number;
  /** The messages that the letters stand for. */
  readonly messages: number;
  readonly first: Date;
  readonly last: Date;
}

const state = `CASE WHEN redrive_at IS NULL THEN 'dead' WHEN redriven_at IS NULL THEN 'waiting' ELSE 'redriven' END`;

/** The same conditions as those of a worker (workers/batch/leftovers/sql/read-letters.ts). */
export const refusal = `CASE
  WHEN edited_body IS NOT NULL THEN NULL
  WHEN counted IS NOT NULL THEN 'counted'
  WHEN is_call THEN 'call'
  WHEN redacted THEN 'redacted'
  WHEN body IS NULL THEN 'bodyless'
  WHEN octet_length(body) < body_size THEN 'cut'
END`;

/** The condition of a filter, with the parameters of `valuesOf`: $1 to $11. */
export const selected = `
  ($1::bigint[] IS NULL OR id = ANY($1)) AND ($2::text IS NULL OR reason = $2) AND ($3::text IS NULL OR method = $3)
  AND ($4::text IS NULL OR instance_id = $4) AND ($5::text IS NULL OR sender = $5)
  AND ($6::text IS NULL OR transport = $6) AND ($7::text IS NULL OR message_id = $7)
  AND ($8::text IS NULL OR strpos(lower(detail), lower($8)) > 0)
  AND ($9::double precision IS NULL OR died_at < now() - $9 * interval '1 ms')
  AND ($10::double precision IS NULL OR died_at >= now() - $10 * interval '1 ms')
  AND ($11::text IS NULL OR $11 = ${state})`;

const listed = `
  id::text, died_at AS "diedAt", transport, reason, detail, method, instance_id AS instance, message_id AS "messageId", sender,
  body_size AS "bodySize", counted, ${state} AS state, ${refusal} AS refusal, edited_by AS "editedBy",
  edited_at AS "editedAt", redrive_at AS "redriveAt", redrive_by AS "redriveBy", redriven_at AS "redrivenAt",
  redrive_outcome AS "redriveOutcome", redrives`;

const list = `
SELECT ${listed} FROM dead_letters WHERE ${selected} AND ($13::bigint IS NULL OR dead_letters.id < $13)
ORDER BY dead_letters.id DESC LIMIT $12`;

const show = `
SELECT ${listed}, sender_proof AS "senderProof", compression, was_deferred AS "wasDeferred", topic, body,
  body_digest AS "bodyDigest", edited_body AS "editedBody", trace_context AS trace
FROM dead_letters WHERE id = $1`;

const count = `
SELECT transport, reason, ${state} AS state, count(*)::integer AS letters,
  sum(coalesce(counted, 1))::double precision AS messages, min(died_at) AS first, max(died_at) AS last
FROM dead_letters WHERE ${selected}
GROUP BY transport, reason, ${state} ORDER BY messages DESC, transport, reason, state`;

/** The values of a filter, as `selected` takes them. */
export function valuesOf(filter: LetterFilter): unknown[] {
  const { ids, reason, method, instance, sender, transport, messageId, text, olderThan, newerThan } = filter;
  return [
    ids,
    reason,
    method,
    instance,
    sender,
    transport,
    messageId,
    text,
    olderThan,
    newerThan,
    filter.state,
  ].map((value) => value ?? null);
}

/**
 * The dead letters that a filter selects, the newest first.
 *
 * @param before the last id of the page before; only smaller ones follow.
 */
export function listLetters(
  query: Query,
  filter: LetterFilter,
  limit: number,
  before?: string,
): Promise<ListedLetter[]> {
  return query<ListedLetter>(list, [...valuesOf(filter), limit, before ?? null]);
}

/** Counts the dead letters that a filter selects, by transport, reason and state. */
export function countLetters(query: Query, filter: LetterFilter): Promise<LetterCount[]> {
  return query<LetterCount>(count, valuesOf(filter));
}

/** One dead letter; undefined if there is none with this id. */
export async function readLetter(query: Query, id: string): Promise<StoredLetter | undefined> {
  const [letter] = await query<StoredLetter>(show, [id]);
  return letter;
}

import { type LetterFilter, type Refusal, refusal, selected, valuesOf } from './dead-letters.ts';
import type { Query } from './query.ts';

/** Rows that one statement changes at most. */
const portion = 1000;

/** Called after each portion with the sum so far. */
export type Progress = (sum: number) => void;

export interface RedriveRequest {
  /** Who asks for it. */
  readonly by: string;
  /** Letters a second; undefined: as many as a replica can. */
  readonly rate: number | undefined;
  /** Letters at most. */
  readonly limit: number;
}

export interface Marked {
  /** Letters that are to be redriven. */
  readonly marked: number;
  /** Letters that cannot be redriven as they are. */
  readonly refused: Readonly<Partial<Record<Refusal, number>>>;
  /** When the last redrive is due; null if there is none. */
  readonly until: Date | null;
}

/** Skips the rows that a redrive or a trim has locked. */
const mark = `
WITH candidates AS MATERIALIZED (
  SELECT id, ${refusal} AS refusal FROM dead_letters
  WHERE id > $12::bigint AND redrive_at IS NULL AND ${selected}
  ORDER BY id LIMIT $13
  FOR UPDATE SKIP LOCKED
), numbered AS (
  SELECT id, row_number() OVER (ORDER BY id) AS n FROM candidates WHERE refusal IS NULL
), marked AS (
  UPDATE dead_letters SET
    redrive_at = $14::timestamptz
      + coalesce(($15::bigint + n - 1) / $16::double precision, 0) * interval '1 s',
    redrive_by = $17::text, redriven_at = NULL, redrive_outcome = NULL
  FROM numbered WHERE dead_letters.id = numbered.id
  RETURNING redrive_at
), refused AS (
  SELECT refusal, count(*)::integer AS count FROM candidates WHERE refusal IS NOT NULL GROUP BY refusal
)
SELECT (SELECT count(*)::integer FROM candidates) AS seen, (SELECT max(id)::text FROM candidates) AS last,
  (SELECT count(*)::integer FROM marked) AS marked, (SELECT max(redrive_at) FROM marked) AS until,
  coalesce((SELECT jsonb_object_agg(refusal, count) FROM refused), '{}') AS refused`;

interface MarkStep extends Marked {
  readonly seen: number;
  readonly last: string | null;
}

/** A redrive with a rate begins behind the letters that wait already, so that a second command does not double the rate. */
const beginning = `
SELECT greatest(now(), CASE WHEN $12 THEN (
  SELECT max(redrive_at) FROM dead_letters WHERE redrive_at IS NOT NULL AND redriven_at IS NULL AND ${selected}
) END)::text AS base`;

/**
 * Asks for the redrive of dead letters, the oldest first. A replica that has their transport redrives them. It works in portions, each
 * a transaction of its own, so a command that is killed half way leaves the first letters marked, and a second one marks the rest.
 */
export async function markForRedrive(
  query: Query,
  filter: LetterFilter,
  { by: name, rate: perSecond, limit }: RedriveRequest,
  progress: Progress,
): Promise<Marked> {
  const values = valuesOf({ ...filter, state: undefined });
  const [begin] = await query<{ base: string }>(beginning, [...values, perSecond !== undefined]);
  let sum = 0;
  let at = '0';
  let until: Date | null = null;
  const refused: Partial<Record<Refusal, number>> = {};
  while (sum < limit) {
    const size = Math.min(portion, limit - sum);
    const parameters = [...values, at, size, begin?.base, sum, perSecond ?? null, name];
    const [step] = await query<MarkStep>(mark, parameters);
    if (step === undefined || step.last === null) break;
    sum += step.marked;
    at = step.last;
    until = step.until ?? until;
    addTo(refused, step.refused);
    progress(sum);
    if (step.seen < size) break;
  }
  return { marked: sum, refused, until };
}

const wouldMark = `
SELECT refusal, count(*)::integer AS count
FROM (SELECT ${refusal} AS refusal FROM dead_letters WHERE redrive_at IS NULL AND ${selected}) AS candidates
GROUP BY refusal`;

/** Tells what `markForRedrive` would do. */
export async function wouldRedrive(
  query: Query,
  filter: LetterFilter,
  limit: number,
): Promise<Pick<Marked, 'marked' | 'refused'>> {
  const rows = await query<{ refusal: Refusal | null; count: number }>(
    wouldMark,
    valuesOf({ ...filter, state: undefined }),
  );
  const refused: Partial<Record<Refusal, number>> = {};
  let marked = 0;
  for (const { refusal: why, count } of rows) {
    if (why === null) marked = Math.min(count, limit);
    else refused[why] = count;
  }
  return { marked, refused };
}

/** Letters whose redrive is asked for are kept, unless the filter asks for them. */
const purgeable = `${selected} AND ($11::text IS NOT NULL OR redrive_at IS NULL OR redriven_at IS NOT NULL)`;

const purge = `
WITH chosen AS MATERIALIZED (
  SELECT id FROM dead_letters WHERE id > $12::bigint AND ${purgeable} ORDER BY id LIMIT $13
  FOR UPDATE SKIP LOCKED
), purged AS (
  DELETE FROM dead_letters USING chosen WHERE dead_letters.id = chosen.id
  RETURNING dead_letters.id
)
SELECT count(*)::integer AS purged, max(id)::text AS last FROM purged`;

/** Deletes dead letters in portions, the oldest first. Returns how many. */
export async function purgeLetters(
  query: Query,
  filter: LetterFilter,
  limit: number,
  progress: Progress,
): Promise<number> {
  let sum = 0;
  let at = '0';
  while (sum < limit) {
    const size = Math.min(portion, limit - sum);
    const [step] = await query<{ purged: number; last: string | null }>(purge, [
      ...valuesOf(filter),
      at,
      size,
    ]);
    if (step === undefined || step.last === null) break;
    sum += step.purged;
    at = step.last;
    progress(sum);
    if (step.purged < size) break;
  }
  return sum;
}

/** Tells how many letters `purgeLetters` would delete. */
export async function wouldPurge(query: Query, filter: LetterFilter, limit: number): Promise<number> {
  const [row] = await query<{ count: number }>(
    `SELECT count(*)::integer AS count FROM dead_letters WHERE ${purgeable}`,
    valuesOf(filter),
  );
  return Math.min(row?.count ?? 0, limit);
}

/** A letter that waits may be read by a worker at this moment, and one that was redriven is done with. */
const edit = `
UPDATE dead_letters SET edited_body = $2, edited_by = $3, edited_at = now()
WHERE id = $1 AND redrive_at IS NULL AND counted IS NULL
RETURNING id`;

/**
 * Stores a body that is redriven in place of the letter's own, which is kept.
 *
 * @returns whether the letter is there and may be edited.
 */
export async function editLetter(query: Query, id: string, body: Buffer, editor: string): Promise<boolean> {
  return (await query(edit, [id, body, editor])).length > 0;
}

function addTo(sums: Partial<Record<Refusal, number>>, more: Marked['refused']): void {
  for (const name of ['counted', 'call', 'redacted', 'bodyless', 'cut'] as const) {
    const count = more[name];
    if (count !== undefined) sums[name] = (sums[name] ?? 0) + count;
  }
}

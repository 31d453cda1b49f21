import type { DeadReason } from '../../../../core/errors.ts';
import type { Db } from '../../../postgres/transaction.ts';

/** The outcome of one letter's redrive. */
export interface LetterMark {
  readonly id: string;
  /** `dead`: it is dead again. `refused`: it cannot be redriven as it is. Both may be redriven anew. */
  readonly outcome: string;
  /** Why it is dead again. */
  readonly reason?: DeadReason | undefined;
  readonly detail?: string | null | undefined;
  /** As far as an edited body says it. */
  readonly method?: string | null | undefined;
  readonly instanceId?: string | null | undefined;
  readonly isCall?: boolean | undefined;
  /** Takes the place of an edited body, which has values that letters do not keep. Null: nothing of it is kept. */
  readonly editedBody?: Buffer | null | undefined;
}

const text = `
WITH input AS (
  SELECT * FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::boolean[],
    $8::boolean[], $9::bytea[])
    AS input(id, outcome, reason, detail, method, instance_id, is_call, hides, edited_body)
), waiting AS MATERIALIZED (
  SELECT input.* FROM dead_letters JOIN input USING (id)
  WHERE redrive_at IS NOT NULL AND redriven_at IS NULL
  ORDER BY id
  FOR UPDATE OF dead_letters
)
UPDATE dead_letters SET
  redriven_at = now(),
  redrive_outcome = waiting.outcome,
  redrives = redrives + 1,
  redrive_at = CASE WHEN waiting.outcome NOT IN ('dead', 'refused') THEN redrive_at END,
  reason = coalesce(waiting.reason, dead_letters.reason),
  detail = CASE WHEN waiting.reason IS NULL THEN dead_letters.detail ELSE waiting.detail END,
  method = coalesce(waiting.method, dead_letters.method),
  instance_id = coalesce(waiting.instance_id, dead_letters.instance_id),
  edited_body = CASE WHEN dead_letters.edited_body IS NOT NULL AND waiting.hides THEN waiting.edited_body
    ELSE dead_letters.edited_body END,
  is_call = dead_letters.is_call OR coalesce(waiting.is_call, false)
FROM waiting WHERE dead_letters.id = waiting.id`;

/** Marks letters that have been redriven. A letter that no longer waits is left as it is. */
export async function markLetters(db: Db, marks: ReadonlyArray<LetterMark>): Promise<void> {
  await db.query('mark-letters', text, [
    marks.map(({ id }) => id),
    marks.map(({ outcome }) => outcome),
    marks.map(({ reason }) => reason ?? null),
    marks.map(({ detail }) => detail ?? null),
    marks.map(({ method }) => method ?? null),
    marks.map(({ instanceId }) => instanceId ?? null),
    marks.map(({ isCall }) => isCall ?? null),
    marks.map(({ editedBody }) => editedBody !== undefined),
    marks.map(({ editedBody }) => editedBody ?? null),
  ]);
}

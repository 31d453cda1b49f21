import type { Db } from '../../../postgres/transaction.ts';

/** Dead letters that one round redrives at most, and bytes of their bodies. A single larger one goes alone. */
const most = { letters: 500, bytes: 8 * 1024 * 1024 };

const text = `
WITH due AS (
  SELECT id, redrive_at, coalesce(octet_length(coalesce(edited_body, body)), 0) AS size
  FROM dead_letters
  WHERE transport = $1 AND redrive_at IS NOT NULL AND redriven_at IS NULL AND redrive_at <= now()
  ORDER BY redrive_at, id LIMIT $2
), summed AS (
  SELECT id, sum(size) OVER (ORDER BY redrive_at, id) - size AS before FROM due
)
SELECT id::text FROM summed WHERE before < $3 ORDER BY id`;

/** By the same index. */
const next = `
SELECT (extract(epoch FROM min(redrive_at) - now()) * 1000)::double precision AS "nextIn" FROM dead_letters
WHERE transport = $1 AND redrive_at > now() AND redriven_at IS NULL`;

export interface DueLetters {
  readonly ids: ReadonlyArray<string>;
  /** Whether as many were due as a round takes. */
  readonly isFull: boolean;
  /** Milliseconds until the next letter is due; null if none waits. */
  readonly nextIn: number | null;
}

/** The ids of dead letters of a transport whose redrive is due, the oldest first. */
export async function dueLetters(db: Db, transport: string): Promise<DueLetters> {
  const rows = await db.query<{ id: string }>('due-letters', text, [transport, most.letters, most.bytes]);
  const [later] = await db.query<{ nextIn: number | null }>('next-letter', next, [transport]);
  return {
    ids: rows.map(({ id }) => id),
    isFull: rows.length === most.letters,
    nextIn: later?.nextIn ?? null,
  };
}

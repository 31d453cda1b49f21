import type { JobDb } from '../contract.ts';

/** A replica, and how old its oldest unsettled message may be. */
export interface Unsettled {
  readonly replica: string;
  /** Milliseconds. */
  readonly oldestUnsettled: number;
}

/** A replica that gives no sign of life may still hold what it held, so the time since then counts. */
const text = `
SELECT replica, oldest_unsettled + extract(epoch FROM clock_timestamp() - seen_at) * 1000 AS age
FROM replicas
WHERE oldest_unsettled IS NOT NULL AND seen_at > clock_timestamp() - $1::double precision * interval '1 ms'
ORDER BY age DESC LIMIT 1`;

/**
 * The replica with the oldest unsettled message. Undefined if there is no replica. Replicas that have stopped in good order do not count.
 *
 * @param goneAfter milliseconds without a sign of life after which a replica does not count either.
 */
export async function findOldestUnsettled(db: JobDb, goneAfter: number): Promise<Unsettled | undefined> {
  const [row] = await db.query<{ replica: string; age: number }>('find-oldest-unsettled', text, [goneAfter]);
  return row && { replica: row.replica, oldestUnsettled: Number(row.age) };
}

import type { KeptSession } from '../../core/transport/contract.ts';
import type { JobDb } from '../contract.ts';

/** One transport of this replica. */
export interface Registration {
  readonly transport: string;
  /** What the broker keeps for this replica alone; undefined if it keeps nothing. */
  readonly kept: KeptSession | undefined;
}

export interface SignOfLife {
  readonly replica: string;
  readonly registrations: ReadonlyArray<Registration>;
  /** Milliseconds for which the oldest message is unsettled. */
  readonly oldestUnsettled: number;
  /** Whether it is the first one since the start of the replica. */
  readonly isFirst: boolean;
}

/** Ends the claim of a peer too: the owner is back. The rows are locked by key, as everywhere. */
const sign = `
INSERT INTO replicas AS stored
  (transport, client_id, replica, started_at, seen_at, oldest_unsettled, subscription)
SELECT transport, client_id, $1, clock_timestamp(), clock_timestamp(), $2, subscription
FROM unnest($3::text[], $4::text[], $5::text[]) AS own (transport, client_id, subscription)
ORDER BY transport, client_id
ON CONFLICT (transport, client_id) DO UPDATE SET
  replica = excluded.replica, seen_at = clock_timestamp(), oldest_unsettled = excluded.oldest_unsettled,
  subscription = excluded.subscription, adopter = NULL, claimed_until = NULL,
  started_at = CASE WHEN $6::boolean THEN excluded.started_at ELSE stored.started_at END
RETURNING client_id, subscription IS NOT NULL AND xmax = 0 AND NOT $6::boolean AS was_adopted`;

/** Each start of a pod may leave a row, so these are bounded by their age. A broker keeps no session for that long. */
const forget = `
DELETE FROM replicas
WHERE seen_at < clock_timestamp() - CASE WHEN subscription IS NULL THEN interval '1 hour' ELSE interval '30 days' END`;

/** @returns the ids of the kept sessions that a peer has taken over since the last sign of life. */
export async function giveSign(db: JobDb, given: SignOfLife): Promise<string[]> {
  const { replica, registrations, oldestUnsettled, isFirst } = given;
  // A lost sign of life does no harm. So it waits neither for the disk nor for a standby.
  await db.query('', 'SET LOCAL synchronous_commit = off', []);
  if (isFirst) await db.query('', forget, []);
  const rows = await db.query<{ client_id: string; was_adopted: boolean }>('sign-of-life', sign, [
    replica,
    oldestUnsettled,
    registrations.map(({ transport }) => transport),
    registrations.map((registration) => idOf(registration, replica)),
    registrations.map(({ kept }) => kept?.subscription ?? null),
    isFirst,
  ]);
  return rows.flatMap(({ client_id: id, was_adopted: wasAdopted }) => (wasAdopted ? [id] : []));
}

const own = `replica = $1 AND (transport, client_id) IN (SELECT * FROM unnest($2::text[], $3::text[]))`;

/** The replica stops in good order. Its rows go, but for those of kept sessions that may hold messages. */
export async function takeLeave(
  db: JobDb,
  replica: string,
  registrations: ReadonlyArray<Registration & { readonly leavesNothing: boolean }>,
): Promise<void> {
  const keysOf = (chosen: ReadonlyArray<Registration>) => [
    replica,
    chosen.map(({ transport }) => transport),
    chosen.map((registration) => idOf(registration, replica)),
  ];
  await db.query(
    '',
    `UPDATE replicas SET seen_at = clock_timestamp(), oldest_unsettled = NULL WHERE ${own}`,
    keysOf(registrations.filter(({ leavesNothing }) => !leavesNothing)),
  );
  await db.query(
    '',
    `DELETE FROM replicas WHERE ${own}`,
    keysOf(registrations.filter(({ leavesNothing }) => leavesNothing)),
  );
}

function idOf({ kept }: Registration, replica: string): string {
  return kept?.clientId ?? replica;
}

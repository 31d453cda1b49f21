import type { Db } from '../transaction.ts';

const text = "SELECT pg_logical_emit_message(true, 'conductor', '')";

/**
 * Writes an empty record to the write-ahead log, so that the commit waits for the synchronous standbys. Postgres does not wait at the
 * end of a transaction that has written nothing.
 *
 * A transaction that finds its work done needs this. The commit that did the work may be on this server only: its wait for the standby
 * was cancelled. If the message were settled now, a failover would lose it.
 */
export async function writeMarker(db: Db): Promise<void> {
  await db.query('write-marker', text, []);
}

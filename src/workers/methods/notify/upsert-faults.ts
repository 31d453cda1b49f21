import { utcNow } from '../../postgres/expressions.ts';
import type { Db } from '../../postgres/transaction.ts';

/** The last fault of an instance. */
export interface Fault {
  readonly instanceId: string;
  /** At most 255 characters. */
  readonly message: string;
  readonly details: string;
}

/**
 * Upserts one row an instance. Trove looks for the row and then inserts it with a random id, so two messages at once make two rows.
 * Here a new row has its instance's id as its own, so the primary key keeps it unique. Rows are locked in the order of the ids.
 *
 * A row that another session locks is skipped: that session is writing it now, and a notification must not wait.
 */
const text = `
WITH input AS (
  SELECT input.* FROM unnest($1::text[], $2::text[], $3::text[]) AS input(instance_id, message, details)
  JOIN instances ON instances.id = input.instance_id AND NOT coalesce(instances.deleted, false)
), known AS MATERIALIZED (
  SELECT id FROM instance_faults WHERE instance_id IN (SELECT instance_id FROM input)
  ORDER BY id FOR UPDATE SKIP LOCKED
), updated AS (
  UPDATE instance_faults AS stored SET message = input.message, details = input.details, updated = ${utcNow}
  FROM input WHERE stored.instance_id = input.instance_id AND stored.id IN (SELECT id FROM known)
)
INSERT INTO instance_faults AS stored (id, instance_id, message, details, created, updated, deleted)
SELECT instance_id, instance_id, message, details, ${utcNow}, ${utcNow}, false FROM input
WHERE NOT EXISTS (SELECT FROM instance_faults WHERE instance_faults.instance_id = input.instance_id)
ORDER BY instance_id
ON CONFLICT (id) DO UPDATE SET message = excluded.message, details = excluded.details, updated = excluded.updated`;

/** Stores the faults of the known instances. @param faults of distinct instances. */
export async function upsertFaults(db: Db, faults: ReadonlyArray<Fault>): Promise<void> {
  await db.query('upsert-faults', text, [
    faults.map(({ instanceId }) => instanceId),
    faults.map(({ message }) => message),
    faults.map(({ details }) => details),
  ]);
}

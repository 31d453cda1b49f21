import { doubleArray, integerArray, textArray } from '../../postgres/binary-array.ts';
import { guardHorizon, utcNow } from '../../postgres/expressions.ts';
import type { Db } from '../../postgres/transaction.ts';
import type { Fold, Refusal } from '../fold.ts';
import { newStatus, restartRequired, type Status } from '../statuses.ts';
import type { HeartbeatArgs } from './arguments.ts';

/** RESTART_REQUIRED stays, and so does any status under a fold without a status. */
const keepsStatus = `stored.status_id = ${restartRequired} OR ($5::jsonb -> excluded.instance_id ->> 1)::boolean`;

/**
 * One row an instance. The statement itself decides whether a row is stale, by the stored row under the lock of ON CONFLICT. ORDER BY
 * makes the lock order the same in every session, whatever the order of the input.
 *
 * $5 holds values for which `excluded` has no column, by instance and only for the few rows that need them: the lowest `sent` of a fold
 * of several messages, and whether a fold has no status. A jsonb look-up in an empty object costs almost nothing.
 *
 * A new row takes its instance's id as its own id. A random id would be drawn for every row and hardly ever be used, which costs a
 * noticeable part of the statement.
 *
 * The statement returns the rows that did not apply, with the reason. Nearly always there are none.
 */
const text = `
WITH input AS (
  SELECT * FROM unnest($1::text[], $2::integer[], $3::text[], $4::double precision[])
    WITH ORDINALITY AS input(instance_id, status_id, status_description, sent, n)
), known AS MATERIALIZED (
  SELECT input.*, instances.id, coalesce(instances.deleted, false) AS deleted
  FROM input LEFT JOIN instances ON instances.id = input.instance_id
), upserted AS (
  INSERT INTO service_statuses AS stored (id, instance_id, status_id, status_description, updated_at, sent)
  SELECT instance_id, instance_id, status_id, status_description, ${utcNow}, sent
  FROM known WHERE id IS NOT NULL AND NOT deleted
  ORDER BY instance_id
  ON CONFLICT (instance_id) DO UPDATE SET
    status_id = CASE WHEN ${keepsStatus} THEN stored.status_id ELSE excluded.status_id END,
    status_description = CASE WHEN ${keepsStatus} THEN stored.status_description ELSE excluded.status_description END,
    updated_at = excluded.updated_at,
    sent = CASE WHEN excluded.sent = '-infinity' THEN stored.sent ELSE excluded.sent END
  WHERE stored.sent < coalesce(($5::jsonb -> excluded.instance_id ->> 0)::double precision, excluded.sent)
     OR (stored.sent > ${guardHorizon} AND stored.sent > excluded.sent)
  RETURNING instance_id
)
SELECT (n - 1)::integer AS row,
  CASE WHEN id IS NULL THEN 'unknown' WHEN deleted THEN 'deleted' ELSE 'guarded' END AS why
FROM known LEFT JOIN upserted USING (instance_id)
WHERE upserted.instance_id IS NULL`;

/** @returns the rows that were not applied. Afterwards the rows of all known instances are locked. */
export async function upsertStatuses(
  db: Db,
  folds: ReadonlyArray<Fold<HeartbeatArgs, Status | undefined>>,
): Promise<ReadonlyArray<Refusal>> {
  const particulars: Record<string, [first: string, touch: boolean]> = {};
  for (const { of, first, guard, state } of folds) {
    if (first !== guard || state === undefined)
      particulars[of.instanceId] = [String(first), state === undefined];
  }
  return db.query<{ row: number; why: Refusal['why'] }>('upsert-statuses', text, [
    textArray(folds.map(({ of }) => of.instanceId)),
    // An instance without a row, whose guest only reports that it is alive, gets the status that Trove gives to new instances.
    integerArray(folds.map(({ state = newStatus }) => state.id)),
    textArray(folds.map(({ state = newStatus }) => state.description)),
    doubleArray(folds.map(({ guard }) => guard)),
    JSON.stringify(particulars),
  ]);
}

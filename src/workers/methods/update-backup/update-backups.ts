import { guardHorizon, utcNow } from '../../postgres/expressions.ts';
import type { Db } from '../../postgres/transaction.ts';
import type { Fold, Refusal } from '../fold.ts';
import type { BackupFields, UpdateBackupArgs } from './arguments.ts';

const column = (name: string, type = 'text') =>
  `${name} = CASE WHEN judged.fields ? '${name}' THEN (judged.fields ->> '${name}')::${type} ELSE stored.${name} END`;

/**
 * Updates one row a backup. It locks the rows first, in the order of their ids, since UPDATE ... FROM alone locks them in the order of
 * its plan. The checks read the row under the lock.
 */
const text = `
WITH input AS (
  SELECT * FROM unnest($1::text[], $2::text[], $3::double precision[], $4::double precision[], $5::text[])
    WITH ORDINALITY AS input(backup_id, instance_id, first, sent, fields, n)
), locked AS MATERIALIZED (
  SELECT id, instance_id, coalesce(deleted, false) AS deleted, sent
  FROM backups WHERE id = ANY($1::text[])
  ORDER BY id FOR UPDATE
), judged AS (
  SELECT input.n, input.backup_id, input.sent, input.fields::jsonb AS fields,
    CASE
      WHEN locked.id IS NULL THEN 'unknown'
      WHEN locked.instance_id IS DISTINCT FROM input.instance_id THEN 'foreign'
      WHEN locked.deleted OR coalesce(instances.deleted, false) THEN 'deleted'
      WHEN locked.sent >= input.first AND NOT (locked.sent > ${guardHorizon} AND locked.sent > input.sent) THEN 'guarded'
    END AS why
  FROM input
  LEFT JOIN locked ON locked.id = input.backup_id
  LEFT JOIN instances ON instances.id = input.instance_id
), updated AS (
  UPDATE backups AS stored SET
    ${[column('state'), column('size', 'double precision'), column('checksum'), column('location'), column('backup_type')].join(', ')},
    updated = ${utcNow},
    sent = CASE WHEN judged.sent = '-infinity' THEN stored.sent ELSE judged.sent END
  FROM judged WHERE stored.id = judged.backup_id AND judged.why IS NULL
)
SELECT (n - 1)::integer AS row, why FROM judged WHERE why IS NOT NULL`;

/** @returns the rows that were not applied. Afterwards the rows of all known backups are locked. */
export async function updateBackups(
  db: Db,
  folds: ReadonlyArray<Fold<UpdateBackupArgs, BackupFields>>,
): Promise<ReadonlyArray<Refusal>> {
  return db.query<{ row: number; why: Refusal['why'] }>('update-backups', text, [
    folds.map(({ of }) => of.backupId),
    folds.map(({ of }) => of.instanceId),
    folds.map(({ first }) => first),
    folds.map(({ guard }) => guard),
    folds.map(({ state }) => JSON.stringify(state)),
  ]);
}

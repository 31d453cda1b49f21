import { utcNow } from '../../postgres/expressions.ts';
import type { Db } from '../../postgres/transaction.ts';
import type { ReportRootArgs } from './arguments.ts';

/** A report that was not recorded. `known`: there is an earlier one. */
export interface RefusedReport {
  readonly instanceId: string;
  readonly why: 'unknown' | 'deleted' | 'known';
}

/** The first report to be inserted counts. Rows are locked in the order of the keys. */
const text = `
WITH input AS (
  SELECT * FROM unnest($1::text[], $2::text[]) AS input(instance_id, reporter)
), judged AS MATERIALIZED (
  SELECT input.*, instances.id, coalesce(instances.deleted, false) AS deleted
  FROM input LEFT JOIN instances ON instances.id = input.instance_id
), inserted AS (
  INSERT INTO root_enabled_history (id, "user", created)
  SELECT instance_id, reporter, ${utcNow} FROM judged
  WHERE id IS NOT NULL AND NOT deleted
  ORDER BY instance_id
  ON CONFLICT (id) DO NOTHING
  RETURNING id
)
SELECT instance_id AS "instanceId", CASE WHEN judged.id IS NULL THEN 'unknown' WHEN deleted THEN 'deleted' ELSE 'known' END AS why
FROM judged LEFT JOIN inserted ON inserted.id = judged.instance_id
WHERE inserted.id IS NULL`;

/** @param reports of distinct instances. */
export function insertRootReports(
  db: Db,
  reports: ReadonlyArray<ReportRootArgs>,
): Promise<ReadonlyArray<RefusedReport>> {
  return db.query<{ instanceId: string; why: RefusedReport['why'] }>('insert-root-reports', text, [
    reports.map(({ instanceId }) => instanceId),
    reports.map(({ user }) => user),
  ]);
}

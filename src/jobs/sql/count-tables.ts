import type { TableCounts } from '../../core/job-figures.ts';
import type { JobDb } from '../contract.ts';

/** Up to so many rows are counted one by one. More rows are Postgres's own estimate. */
export const exactRows = 1000;

/** Milliseconds that the statement may take. It is for the metrics only. */
const patience = 2000;

/** The ordered scan is that of the primary key's index, which skips the dead rows of a table with much change. */
const counted = (table: string, key: string) => `
  (SELECT CASE WHEN count(*) < ${exactRows} THEN count(*) ELSE greatest(count(*), ${estimated(table)}) END
   FROM (SELECT FROM ${table} ORDER BY ${key} LIMIT ${exactRows}) AS first_rows)::double precision AS ${table}`;

/**
 * A partitioned table has its rows in its partitions. Without statistics (`track_counts` is off, or the server has crashed) the estimate of
 * the last ANALYZE counts.
 */
const estimated = (table: string) => `
  (SELECT coalesce(sum(CASE WHEN pg_stat_get_live_tuples(oid) > 0 THEN pg_stat_get_live_tuples(oid)
      ELSE greatest(reltuples, 0) END), 0)
   FROM (SELECT '${table}'::regclass AS relid UNION SELECT relid FROM pg_partition_tree('${table}')) AS parts
   JOIN pg_class ON oid = relid AND relkind = 'r')`;

export const countTablesText = `
SELECT ${counted('deferred', 'method, key')},
  ${counted('dead_letters', 'id')},
  ${counted('notification_outbox', 'id')},
  ${estimated('call_results')}::double precision AS call_results,
  ${estimated('status_transitions')}::double precision AS status_transitions,
  ${estimated('service_statuses')}::double precision AS service_statuses,
  greatest(0, extract(epoch FROM clock_timestamp() -
    (SELECT min(next_attempt_at) FROM deferred)))::double precision AS "deferredOverdue",
  greatest(0, extract(epoch FROM clock_timestamp() -
    (SELECT created_at FROM notification_outbox ORDER BY id LIMIT 1)))::double precision AS "outboxAge"`;

type Row = TableCounts['rows'] & Pick<TableCounts, 'deferredOverdue' | 'outboxAge'> & Record<string, unknown>;

/** Counts the rows of the tables. The statement scans no table: it reads at most 1000 entries of an index for each. */
export async function countTables(db: JobDb): Promise<TableCounts> {
  await db.query('', `SET LOCAL statement_timeout = ${patience}`, []);
  const [row] = await db.query<Row>('count-tables', countTablesText, []);
  if (row === undefined) throw new Error('the counts have no row');
  const { deferredOverdue, outboxAge, ...rows } = row;
  return { rows, deferredOverdue, outboxAge };
}

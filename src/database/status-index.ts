import { ConfigError, codeOf } from '../core/errors.ts';
import type { Query } from './query.ts';

/**
 * The unique index on service_statuses (instance_id). The heartbeat's upsert needs it, and Trove does not have it. It is built
 * concurrently, so guests and Trove's services are not blocked. A migration file runs in a transaction, which forbids that.
 */
const indexName = 'service_statuses_instance_id_unique';

/** The most instance ids that are listed for the operator. */
const listed = 20;

/** Whether there is a valid index, of any name, that `ON CONFLICT (instance_id)` can use. */
export async function hasUniqueStatusIndex(query: Query): Promise<boolean> {
  const rows = await query(
    `SELECT FROM pg_index
     JOIN pg_attribute ON attrelid = indrelid AND attname = 'instance_id'
     WHERE indrelid = to_regclass('service_statuses')
       AND indisunique AND indisvalid AND indimmediate AND indpred IS NULL AND indnkeyatts = 1 AND indkey[0] = attnum`,
  );
  return rows.length > 0;
}

/** The duplicates that prevent a unique index. */
interface Duplicates {
  /** How many instances have more than one status. */
  readonly instances: number;
  /** How many statuses are older than their instance's newest. */
  readonly rows: number;
  /** The instances' ids, the first few only. */
  readonly sample: string;
}

/** Reports no duplicates if the table does not exist yet. */
export async function findDuplicates(query: Query): Promise<Duplicates> {
  const [table] = await query<{ absent: boolean }>(
    `SELECT to_regclass('service_statuses') IS NULL AS absent`,
  );
  if (table?.absent) return { instances: 0, rows: 0, sample: '' };
  const rows = await query<{ instance_id: string; extra: number }>(
    `SELECT instance_id, count(*)::integer - 1 AS extra FROM service_statuses
     GROUP BY instance_id HAVING count(*) > 1 ORDER BY instance_id`,
  );
  const ids = rows.slice(0, listed).map((row) => row.instance_id);
  const more = rows.length > listed ? ` and ${rows.length - listed} more` : '';
  return {
    instances: rows.length,
    rows: rows.reduce((sum, row) => sum + row.extra, 0),
    sample: `${ids.join(', ')}${more}`,
  };
}

/** The operator has to decide about duplicates, since a deleted row cannot be restored. */
export function duplicatesError(found: Duplicates): ConfigError {
  return new ConfigError(
    `service_statuses holds several rows for some instances, and must hold one for each (instances: ${found.instances}, ` +
      `rows too many: ${found.rows}): ${found.sample}. Look at them and delete all but the right one, or run conductor ` +
      'migrate --remove-duplicates, which keeps the one of the newest updated_at.',
    { code: 'database-schema' },
  );
}

/** Keeps the newest status of each instance; if several have the same time, any one of them. */
export async function removeDuplicates(query: Query): Promise<void> {
  await query(
    `DELETE FROM service_statuses USING (
       SELECT id, row_number() OVER (PARTITION BY instance_id ORDER BY updated_at DESC NULLS LAST, id) AS age
       FROM service_statuses
     ) AS ranked
     WHERE service_statuses.id = ranked.id AND ranked.age > 1`,
  );
}

/** Drops an invalid index of an earlier try, then builds the index. Waits for transactions that are older. */
export async function buildStatusIndex(query: Query): Promise<void> {
  // No session waits behind it, so it may wait until the other transactions end.
  await query('SET lock_timeout = 0');
  await query(`DROP INDEX CONCURRENTLY IF EXISTS ${indexName}`);
  try {
    await query(`CREATE UNIQUE INDEX CONCURRENTLY ${indexName} ON service_statuses (instance_id)`);
  } catch (error) {
    // A failed build leaves an invalid index. It still refuses duplicates, which would disturb Trove.
    await query(`DROP INDEX CONCURRENTLY IF EXISTS ${indexName}`);
    if (codeOf(error) === '23505') throw duplicatesError(await findDuplicates(query));
    throw error;
  }
}

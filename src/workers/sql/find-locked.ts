import type { Db } from '../db.ts';

const columns = { service_statuses: 'instance_id', backups: 'id' } as const;

/**
 * Locks those of the rows that no other session holds, in the order of their keys, without waiting.
 *
 * @returns the keys of the rows that another session holds.
 */
export async function findLocked(
  db: Db,
  table: keyof typeof columns,
  keys: ReadonlyArray<string>,
): Promise<ReadonlySet<string>> {
  const column = columns[table];
  const text = `
    WITH free AS MATERIALIZED (
      SELECT ${column} AS key FROM ${table} WHERE ${column} = ANY($1::text[])
      ORDER BY ${column} FOR UPDATE SKIP LOCKED
    )
    SELECT ${column} AS key FROM ${table}
    WHERE ${column} = ANY($1::text[]) AND ${column} NOT IN (SELECT key FROM free)`;
  const rows = await db.query<{ key: string }>(`find-locked-${table}`, text, [keys]);
  return new Set(rows.map(({ key }) => key));
}

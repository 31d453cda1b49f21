import type { Db } from '../postgres/transaction.ts';

/** By table: its key, and the lock that a method's own statements take. Statements only refer to rows of instances. */
const locks = {
  service_statuses: { column: 'instance_id', strength: 'UPDATE' },
  backups: { column: 'id', strength: 'UPDATE' },
  instances: { column: 'id', strength: 'KEY SHARE' },
} as const;

/**
 * Locks the rows that no other session holds, in the order of their keys, without waiting.
 *
 * @returns the keys of the rows that another session holds.
 */
export async function findLocked(
  db: Db,
  table: keyof typeof locks,
  keys: ReadonlyArray<string>,
): Promise<ReadonlySet<string>> {
  const { column, strength } = locks[table];
  const text = `
    WITH free AS MATERIALIZED (
      SELECT ${column} AS key FROM ${table} WHERE ${column} = ANY($1::text[])
      ORDER BY ${column} FOR ${strength} SKIP LOCKED
    )
    SELECT ${column} AS key FROM ${table}
    WHERE ${column} = ANY($1::text[]) AND ${column} NOT IN (SELECT key FROM free)`;
  const rows = await db.query<{ key: string }>(`find-locked-${table}`, text, [keys]);
  return new Set(rows.map(({ key }) => key));
}

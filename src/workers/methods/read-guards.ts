import { guardHorizon } from '../postgres/expressions.ts';
import type { Db } from '../postgres/transaction.ts';
import type { StoredGuard } from './fold.ts';

const guarded = {
  service_statuses: 'instance_id',
  backups: 'id',
} as const;

/** Reads the guards of the rows with these ids, in their order. They are exact only for rows that this transaction has locked. */
export async function readGuards(
  db: Db,
  table: keyof typeof guarded,
  ids: ReadonlyArray<string>,
): Promise<ReadonlyArray<StoredGuard | undefined>> {
  const text = `
    SELECT ${guarded[table]} AS id, sent AS guard, ${guardHorizon} AS horizon
    FROM ${table} WHERE ${guarded[table]} = ANY($1::text[])`;
  const rows = await db.query<StoredGuard & { id: string }>(`read-guards-${table}`, text, [ids]);
  const byId = new Map(rows.map((row) => [row.id, row]));
  return ids.map((id) => byId.get(id));
}

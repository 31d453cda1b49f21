import type { Db } from '../../../postgres/transaction.ts';
import type { RowId } from '../arguments.ts';
import type { AuthorizedModel } from '../authorized-model.ts';
import { badRequest, conflict, notFound } from '../refusals.ts';
import { isRow, notDeleted } from './conditions.ts';
import { Statement } from './statement.ts';

/**
 * Locks a row for a change. Throws CallRefused: NotFound if it is missing or deleted, Conflict if it has changed since the caller
 * read it.
 *
 * @param ifUpdated the row's `updated` as the caller has read it. Undefined: any is accepted.
 */
export async function lockRow(db: Db, model: AuthorizedModel, id: RowId, ifUpdated: unknown): Promise<void> {
  const { table, name, scope } = model;
  const statement = new Statement();
  const where = isRow(statement, table, id, 'id');
  const [updated] = table.updated;
  let unchanged = 'true';
  if (ifUpdated !== undefined) {
    if (updated === undefined)
      throw badRequest('if_updated', `cannot be: ${name} has no time of its last change`);
    const column = model.readable(updated.name, 'if_updated');
    unchanged = `t.${column.quoted} IS NOT DISTINCT FROM ${statement.value(column, ifUpdated, 'if_updated')}`;
  }
  const [row] = await statement.run<{ unchanged: boolean }>(
    db,
    `SELECT ${unchanged} AS unchanged FROM ${table.quoted} AS t WHERE ${where} AND ${scope(statement)}
       AND ${notDeleted(table)} FOR UPDATE`,
  );
  if (row === undefined) throw notFound('id', `names no ${name}`);
  if (!row.unchanged) throw conflict('if_updated', `is not when the ${name} was changed last: read it again`);
}

import { exactAt } from '../../../../core/exact-json.ts';
import type { JsonObject } from '../../../../core/json.ts';
import type { Db } from '../../../postgres/transaction.ts';
import type { Filter, RowId } from '../arguments.ts';
import type { AuthorizedModel } from '../authorized-model.ts';
import type { Column } from '../catalog.ts';
import { badRequest } from '../refusals.ts';
import { inScope, refuseOutOfScope } from '../tenants.ts';
import { isOneOf, isRow, notDeleted, passes } from './conditions.ts';
import { outputs, rowOf, Statement } from './statement.ts';

/** The rows to change. */
export type Target =
  | { readonly id: RowId }
  | { readonly ids: ReadonlyArray<RowId> }
  | { readonly filters: ReadonlyArray<Filter> };

/**
 * Updates rows with one statement and returns them as stored. It locks them first, in the order of their primary keys, so that two calls
 * about the same rows cannot deadlock.
 *
 * @param maxRows at most one row more is changed. The caller then refuses the call, which rolls it back.
 */
export async function updateRows(
  db: Db,
  model: AuthorizedModel,
  { target, values, maxRows }: { target: Target; values: JsonObject; maxRows: number },
): Promise<JsonObject[]> {
  const { table, shown } = model;
  const statement = new Statement();
  const changes = Object.entries(values).map(([name, value]) => {
    const path = `values.${name.slice(0, 64)}`;
    const column = model.writable(name, path);
    if (table.key.includes(column)) throw badRequest(path, 'names the row, and cannot be changed');
    return `${column.quoted} = ${statement.value(column, exactAt(values, name, value), path)}`;
  });
  const where = whereOf(statement, model, target);
  return changeRows(db, model, statement, {
    changes,
    where: `${where} AND ${notDeleted(table)}`,
    maxRows,
    returning: shown,
  });
}

/** Marks the row as deleted. */
export async function softDelete(db: Db, model: AuthorizedModel, id: RowId): Promise<void> {
  const { table } = model;
  const { deleted, deletedAt } = table;
  const statement = new Statement();
  const changes = [
    ...(deleted === undefined ? [] : [`${deleted.quoted} = true`]),
    ...(deletedAt === undefined ? [] : [`${deletedAt.quoted} = ${clock(deletedAt)}`]),
  ];
  const where = isRow(statement, table, id, 'id');
  await changeRows(db, model, statement, { changes, where, maxRows: 1, returning: table.key });
}

interface Change {
  readonly changes: ReadonlyArray<string>;
  readonly where: string;
  readonly maxRows: number;
  readonly returning: ReadonlyArray<Column>;
}

async function changeRows(
  db: Db,
  model: AuthorizedModel,
  statement: Statement,
  { changes, where, maxRows, returning }: Change,
): Promise<JsonObject[]> {
  const { table } = model;
  const key = table.key.map(({ quoted }) => quoted);
  const keys = key.map((one) => `t.${one}`).join(', ');
  const set = [...changes, ...table.updated.map((column) => `${column.quoted} = ${later(column)}`)];
  const rows = await statement.run(
    db,
    `WITH locked AS MATERIALIZED (
       SELECT ${keys} FROM ${table.quoted} AS t WHERE ${where} AND ${model.scope(statement)} ORDER BY ${keys} LIMIT ${statement.number(maxRows + 1)} FOR UPDATE
     )
     UPDATE ${table.quoted} AS t SET ${set.join(', ')}
     FROM locked WHERE ${key.map((one) => `t.${one} = locked.${one}`).join(' AND ')}
     RETURNING ${outputs(returning)}, ${inScope(model, statement)}`,
  );
  refuseOutOfScope(rows);
  return rows.map((row) => rowOf(returning, row));
}

function whereOf(statement: Statement, model: AuthorizedModel, target: Target): string {
  if ('id' in target) return isRow(statement, model.table, target.id, 'id');
  if ('ids' in target) return isOneOf(statement, model.table, target.ids, 'ids');
  return passes(statement, model, target.filters);
}

/** The time now, under the row's lock. */
function clock({ kind }: Column): string {
  return kind.name === 'timestamp' ? "(clock_timestamp() AT TIME ZONE 'utc')" : 'clock_timestamp()';
}

/** The time now, but later than the stored one in any case. So a reader of the column notices every change. */
function later(column: Column): string {
  return `greatest(${clock(column)}, t.${column.quoted} + interval '1 microsecond')`;
}

/** Removes the row. */
export async function deleteRow(db: Db, { table, scope }: AuthorizedModel, id: RowId): Promise<void> {
  const statement = new Statement();
  const where = `${isRow(statement, table, id, 'id')} AND ${scope(statement)}`;
  await statement.run(db, `DELETE FROM ${table.quoted} AS t WHERE ${where}`);
}

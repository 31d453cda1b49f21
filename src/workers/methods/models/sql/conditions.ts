import { exactAt, isExact } from '../../../../core/exact-json.ts';
import { isObject } from '../../../../core/json.ts';
import type { Filter, RowId } from '../arguments.ts';
import type { AuthorizedModel } from '../authorized-model.ts';
import type { Column, Table } from '../catalog.ts';
import { badRequest, shown } from '../refusals.ts';
import type { Statement } from './statement.ts';

/** A condition for the rows that are not deleted. */
export function notDeleted({ deleted, deletedAt }: Table): string {
  // In Trove's tables `deleted` may be NULL.
  if (deleted !== undefined) return `t.${deleted.quoted} IS NOT TRUE`;
  return deletedAt === undefined ? 'true' : `t.${deletedAt.quoted} IS NULL`;
}

/** A condition for the row of this id. Throws CallRefused with the path if the id does not fit the primary key. */
export function isRow(statement: Statement, table: Table, id: RowId, path: string): string {
  return keyValues(table, id, path)
    .map(({ column, value, at }) => `t.${column.quoted} = ${statement.value(column, value, at)}`)
    .join(' AND ');
}

/** A condition for the rows of these ids. */
export function isOneOf(statement: Statement, table: Table, ids: ReadonlyArray<RowId>, path: string): string {
  const [column, ...others] = table.key;
  if (column !== undefined && others.length === 0) {
    const values = ids.map((id, index) => keyValues(table, id, `${path}[${index}]`)[0]?.value);
    return `t.${column.quoted} = ANY(${statement.list(column, values, path)})`;
  }
  const rows = ids.map((id, index) => `(${isRow(statement, table, id, `${path}[${index}]`)})`);
  return `(${rows.join(' OR ')})`;
}

/** Splits an id into the values of the primary key. */
function keyValues(
  { key }: Table,
  id: RowId,
  path: string,
): { column: Column; value: unknown; at: string }[] {
  const [first, ...others] = key;
  if (isExact(id) || !isObject(id)) {
    if (first === undefined || others.length > 0) {
      const names = key.map(({ name }) => name).join(', ');
      throw badRequest(path, `has to be an object with ${names}, which name a row together`);
    }
    return [{ column: first, value: id, at: path }];
  }
  const unknown = Object.keys(id).find((name) => !key.some((column) => column.name === name));
  if (unknown !== undefined) throw badRequest(path, `has ${shown(unknown)}, which is not in the primary key`);
  return key.map((column) => {
    const at = `${path}.${column.name}`;
    const value = Object.hasOwn(id, column.name) ? exactAt(id, column.name, id[column.name]) : undefined;
    if (value === undefined || value === null) throw badRequest(at, 'is missing');
    return { column, value, at };
  });
}

/** A condition that joins all filters. Throws CallRefused or Rejected with the path of the filter. */
export function passes(statement: Statement, model: AuthorizedModel, filters: ReadonlyArray<Filter>): string {
  const conditions = filters.map((filter) => condition(statement, model, filter));
  return conditions.length === 0 ? 'true' : conditions.join(' AND ');
}

const comparisons = { eq: '=', lt: '<', lte: '<=', gt: '>', gte: '>=' } as const;

function condition(
  statement: Statement,
  model: AuthorizedModel,
  { column: name, operator, operand, path }: Filter,
): string {
  const column = model.readable(name, path);
  const quoted = `t.${column.quoted}`;
  if (operator === 'null') return `${quoted} IS ${operand === true ? '' : 'NOT '}NULL`;
  if (!isComparable(column)) throw badRequest(path, `compares ${name}, which can only be compared with null`);
  switch (operator) {
    case 'in':
      return `${quoted} = ANY(${statement.list(column, listOf(operand, path), path)})`;
    case 'like':
      if (column.kind.name !== 'text') throw badRequest(path, `compares ${name}, which is not a text`);
      return `${quoted} LIKE ${statement.value({ ...column, maxLength: null }, present(operand, path), path)}`;
    case 'ne':
      // Unlike <>, it treats NULL as different from the value.
      return `${quoted} IS DISTINCT FROM ${statement.value(column, present(operand, path), path)}`;
    default:
      return `${quoted} ${comparisons[operator]} ${statement.value(column, present(operand, path), path)}`;
  }
}

/** A comparison with NULL is never true, which no caller means. */
function present(operand: unknown, path: string): unknown {
  if (operand === null) throw badRequest(path, 'is null; the operator for that is null: true or false');
  return operand;
}

function listOf(operand: unknown, path: string): ReadonlyArray<unknown> {
  if (!Array.isArray(operand)) throw badRequest(path, 'is not an array');
  return operand.map((value: unknown, index) => present(exactAt(operand, index, value), `${path}[${index}]`));
}

/** Whether the column's values can be compared and ordered. */
export function isComparable({ kind, isArray }: Column): boolean {
  return kind.ordered && !isArray;
}

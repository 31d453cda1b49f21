import type { JsonObject } from '../../../../core/json.ts';
import type { Db } from '../../../postgres/transaction.ts';
import type { Filter, Order, RowId } from '../arguments.ts';
import type { AuthorizedModel } from '../authorized-model.ts';
import type { Column, Table } from '../catalog.ts';
import { badRequest } from '../refusals.ts';
import { isComparable, isRow, notDeleted, passes } from './conditions.ts';
import { outputs, rowOf, Statement } from './statement.ts';

/** Reads one row by its id; undefined if there is none. */
export async function selectRow(
  db: Db,
  { table, shown, scope }: AuthorizedModel,
  id: RowId,
  includeDeleted: boolean,
): Promise<JsonObject | undefined> {
  const statement = new Statement();
  const where = isRow(statement, table, id, 'id');
  const [row] = await statement.run(
    db,
    `SELECT ${outputs(shown)} FROM ${table.quoted} AS t WHERE ${where} AND ${scope(statement)}
       AND ${includeDeleted ? 'true' : notDeleted(table)}`,
  );
  return row && rowOf(shown, row);
}

export interface Page {
  readonly filters: ReadonlyArray<Filter>;
  readonly order: ReadonlyArray<Order>;
  readonly limit: number;
  /** The marker: the last row of the previous page. */
  readonly marker: RowId | undefined;
  readonly includeDeleted: boolean;
}

/** A page of rows, and the marker of the next page if there are more rows. */
export async function selectPage(
  db: Db,
  model: AuthorizedModel,
  { filters, order, limit, marker, includeDeleted }: Page,
): Promise<{ rows: JsonObject[]; marker: unknown }> {
  const { table, shown } = model;
  const steps = stepsOf(model, order);
  const last = marker === undefined ? undefined : await readMarker(db, model, steps, marker);
  const statement = new Statement();
  const where = [
    model.scope(statement),
    passes(statement, model, filters),
    includeDeleted ? 'true' : notDeleted(table),
    last === undefined ? 'true' : follows(statement, steps, last),
  ].join(' AND ');
  const orderBy = steps
    .map(({ column, descending }) => `t.${column.quoted}${descending ? ' DESC' : ''}`)
    .join(', ');
  const columns = [...shown, ...table.key];
  const found = await statement.run(
    db,
    `SELECT ${outputs(columns)} FROM ${table.quoted} AS t WHERE ${where}
     ORDER BY ${orderBy} LIMIT ${statement.number(limit + 1)}`,
  );
  const page = found.slice(0, limit);
  const end = found.length > limit ? page.at(-1) : undefined;
  return {
    rows: page.map((row) => rowOf(shown, row)),
    marker: end === undefined ? null : idOf(table, rowOf(table.key, end, shown.length)),
  };
}

/** The marker of a row: the bare value if the primary key has one column. */
export function idOf({ key }: Table, values: JsonObject): unknown {
  const [first, ...others] = key;
  return first !== undefined && others.length === 0 ? values[first.name] : values;
}

interface Step {
  readonly column: Column;
  readonly descending: boolean;
}

/** The requested order, followed by the primary key so that it is total. */
function stepsOf(model: AuthorizedModel, order: ReadonlyArray<Order>): Step[] {
  const steps = order.map(({ column: name, descending, path }) => {
    const column = model.readable(name, path);
    if (!isComparable(column)) throw badRequest(path, `names ${name}, by which nothing can be ordered`);
    return { column, descending };
  });
  const rest = model.table.key.filter((column) => !steps.some((step) => step.column === column));
  return [...steps, ...rest.map((column) => ({ column, descending: false }))];
}

/** The order's values of the marker's row, as Postgres writes them. The row may be deleted. */
async function readMarker(
  db: Db,
  { table, scope }: AuthorizedModel,
  steps: ReadonlyArray<Step>,
  marker: RowId,
): Promise<ReadonlyArray<string | null>> {
  const statement = new Statement();
  const columns = steps.map(({ column }) => column);
  const [row] = await statement.run<Record<string, string | null>>(
    db,
    `SELECT ${outputs(columns)} FROM ${table.quoted} AS t
     WHERE ${isRow(statement, table, marker, 'marker')} AND ${scope(statement)}`,
  );
  if (row === undefined) throw badRequest('marker', 'names no row');
  return columns.map((_, index) => row[`c${index}`] ?? null);
}

/**
 * The rows after the marker: equal to it in the first columns of the order, and after it in the next one. Postgres puts NULL last, and
 * first in a descending order.
 */
function follows(
  statement: Statement,
  steps: ReadonlyArray<Step>,
  last: ReadonlyArray<string | null>,
): string {
  const equal: string[] = [];
  const ways: string[] = [];
  let bound = 'true';
  for (const [index, { column, descending }] of steps.entries()) {
    const text = last[index] ?? null;
    const value = text === null ? undefined : statement.written(column, text);
    // It follows from the rest, but gives an index its start.
    if (index === 0 && value !== undefined && (descending || !column.isNullable))
      bound = `t.${column.quoted} ${descending ? '<=' : '>='} ${value}`;
    const behind = isBehind(column, value, descending);
    if (behind !== undefined) ways.push(`(${[...equal, behind].join(' AND ')})`);
    equal.push(value === undefined ? `t.${column.quoted} IS NULL` : `t.${column.quoted} = ${value}`);
  }
  return ways.length === 0 ? 'false' : `${bound} AND (${ways.join(' OR ')})`;
}

function isBehind({ quoted, isNullable }: Column, value: string | undefined, descending: boolean) {
  if (value === undefined) return descending ? `t.${quoted} IS NOT NULL` : undefined;
  if (descending) return `t.${quoted} < ${value}`;
  return isNullable ? `(t.${quoted} > ${value} OR t.${quoted} IS NULL)` : `t.${quoted} > ${value}`;
}

import { randomUUID } from 'node:crypto';
import { exactAt } from '../../../../core/exact-json.ts';
import type { JsonObject } from '../../../../core/json.ts';
import { utcNow } from '../../../postgres/expressions.ts';
import type { Db } from '../../../postgres/transaction.ts';
import type { AuthorizedModel } from '../authorized-model.ts';
import type { Column, Table } from '../catalog.ts';
import { badRequest } from '../refusals.ts';
import { inScope, refuseOutOfScope } from '../tenants.ts';
import { outputs, rowOf, Statement } from './statement.ts';

/** One row to insert, and the path of its values in the arguments. */
export interface NewRow {
  readonly values: JsonObject;
  readonly path: string;
}

/** The most parameters that Postgres takes. */
const maxParameters = 65_535;

/**
 * Inserts rows with one statement and returns them in their order, as stored. A missing value gets its column's default. The conductor
 * makes a missing id, and keeps the times and `deleted`.
 */
export async function insertRows(
  db: Db,
  model: AuthorizedModel,
  rows: ReadonlyArray<NewRow>,
): Promise<JsonObject[]> {
  const { table, shown } = model;
  const given = new Map<string, Column>();
  for (const { values, path } of rows)
    for (const name of Object.keys(values))
      if (!given.has(name)) given.set(name, model.writable(name, `${path}.${name.slice(0, 64)}`));
  if (rows.length * (given.size + 1) > maxParameters)
    throw badRequest('values', `has more than ${maxParameters} values in all`);
  const id = generatedId(table);
  if (id !== undefined) given.delete(id.name);
  const kept = keptValues(table);
  // A statement without columns can insert one row only.
  const columns = [...(id === undefined ? [] : [id]), ...given.values()];
  const [key] = table.key;
  const named = columns.length === 0 && kept.length === 0 && key !== undefined ? [key] : columns;

  const statement = new Statement();
  const tuples = rows.map(({ values, path }) => {
    const own = named.map((column) => {
      if (Object.hasOwn(values, column.name))
        return statement.value(
          column,
          exactAt(values, column.name, values[column.name]),
          `${path}.${column.name}`,
        );
      return column === id ? statement.value(column, randomUUID(), path) : 'DEFAULT';
    });
    return `(${[...own, ...kept.map(({ value }) => value)].join(', ')})`;
  });
  const names = [...named, ...kept.map(({ column }) => column)].map(({ quoted }) => quoted);
  const inserted = await statement.run(
    db,
    `INSERT INTO ${table.quoted} AS t (${names.join(', ')}) VALUES ${tuples.join(', ')} RETURNING ${outputs(shown)}, ${inScope(model, statement)}`,
  );
  refuseOutOfScope(inserted);
  return inserted.map((row) => rowOf(shown, row));
}

/** The primary key, if it is one column that can hold a UUID and has no default in Postgres. */
function generatedId({ key }: Table): Column | undefined {
  const [column, ...others] = key;
  if (column === undefined || others.length > 0 || column.hasDefault || column.isGenerated) return undefined;
  const { kind, maxLength } = column;
  const fits = kind.name === 'uuid' || (kind.name === 'text' && (maxLength === null || maxLength >= 36));
  return fits ? column : undefined;
}

function keptValues({ created, updated, deleted }: Table): { column: Column; value: string }[] {
  return [
    ...[...created, ...updated].map((column) => ({ column, value: timeNow(column) })),
    ...(deleted === undefined ? [] : [{ column: deleted, value: 'false' }]),
  ];
}

/** The start of the transaction, in the column's type. */
function timeNow({ kind }: Column): string {
  return kind.name === 'timestamp' ? utcNow : 'now()';
}

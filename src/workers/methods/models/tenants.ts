import type { Access, Model } from '../../../core/config/access.ts';
import { CallRefused } from '../../../core/errors.ts';
import type { Db } from '../../postgres/transaction.ts';
import type { Catalog, Column, Table } from './catalog.ts';
import { forbidden } from './refusals.ts';
import type { Statement } from './sql/statement.ts';

/** Makes a condition for the rows that a principal may see. */
export type Scope = (statement: Statement) => string;

/** The rows that a service with `tenants` may see and write. Each statement about a model has this condition. */

interface Scoped {
  /** Of the model. */
  readonly name: string;
  readonly model: Model;
  readonly table: Table;
  readonly tenants: ReadonlyArray<string> | undefined;
  readonly access: Access;
}

/** A condition for the rows of these tenants. Throws CallRefused if the table has no column for it: then no row may be seen. */
export async function scopeOf(
  db: Db,
  catalog: Catalog,
  { name, model, table, tenants, access }: Scoped,
): Promise<Scope> {
  if (tenants === undefined) return () => 'true';
  const { column: columnName, of } = model.tenant;
  const column = columnIn(table, columnName, name);
  const is = (owner: string, tenant: Column, statement: Statement) =>
    `${owner}.${tenant.quoted} = ANY(${statement.list(tenant, tenants, 'tenants')})`;
  if (of === undefined) return (statement) => is('t', column, statement);
  const other = access.models.get(of);
  const parent = other && (await catalog.table(db, other.table));
  const [key, ...more] = parent?.key ?? [];
  if (other === undefined || parent === undefined || key === undefined || more.length > 0)
    throw unusable(name, `model ${of} has no table whose primary key is one column`);
  const tenant = columnIn(parent, other.tenant.column, of);
  return (statement) =>
    `EXISTS (SELECT FROM ${parent.quoted} AS owner WHERE owner.${key.quoted} = t.${column.quoted} AND ${is('owner', tenant, statement)})`;
}

function columnIn(table: Table, name: string, model: string): Column {
  const column = table.columns.get(name);
  if (column?.kind.ordered === true && !column.isArray) return column;
  throw unusable(model, `its table has no column ${name} with a tenant (models.${model}.tenant)`);
}

function unusable(model: string, why: string): CallRefused {
  return new CallRefused(
    'InternalError',
    `the tenant of a row of model ${model} is not known: ${why}`,
    'model',
  );
}

/** An output that says whether a written row is one of the principal's tenants. */
export function inScope({ scope }: { readonly scope: Scope }, statement: Statement): string {
  return `(${scope(statement)}) IS TRUE AS "inScope"`;
}

/** Throws Rejected if a written row belongs to another tenant. The transaction is then rolled back. */
export function refuseOutOfScope(rows: ReadonlyArray<Record<string, unknown>>): void {
  if (rows.some((row) => row.inScope === false))
    throw forbidden('values', 'make a row of a tenant that the sender is not granted (services)');
}

import { type Columns, includes, type ModelGrant } from '../../../core/config/access.ts';
import { CallRefused, codeOf } from '../../../core/errors.ts';
import { nameOf, serviceOf } from '../../grants.ts';
import type { Db } from '../../postgres/transaction.ts';
import type { CallContext } from '../contract.ts';
import { type Catalog, type Column, isKept, type Table } from './catalog.ts';
import { badRequest, catalogChanged, forbidden, shown } from './refusals.ts';
import { readAsWritten } from './sql/read-as-written.ts';
import { type Scope, scopeOf } from './tenants.ts';

/** The right that an operation on a model needs. */
export type Right = 'read' | 'write' | 'delete';

/** A model as one principal sees it. */
export interface AuthorizedModel {
  readonly name: string;
  readonly table: Table;
  /** The columns that an answer contains. */
  readonly shown: ReadonlyArray<Column>;
  /** A condition for the rows of the principal's tenants. */
  readonly scope: Scope;
  /** The column, if the principal may read it. Throws CallRefused or Rejected with the path of the argument. */
  readonly readable: (name: string, path: string) => Column;
  /** The column, if the principal may write it. Throws CallRefused or Rejected with the path of the argument. */
  readonly writable: (name: string, path: string) => Column;
}

/** SQLSTATEs of Postgres for an object that has changed. */
const changed = new Set(['42P01', '42703', '42704', '42804', '42883']);

/**
 * Runs an operation on a model if the principal may. Throws CallRefused or Rejected.
 *
 * @param catalog the known tables.
 * @param named columns that the call names. If one is unknown, the catalog is read again.
 */
export async function onModel<Result>(
  db: Db,
  catalog: Catalog,
  { principal, settings }: CallContext,
  { model: name, right, named }: { model: string; right: Right; named: Iterable<string> },
  work: (model: AuthorizedModel) => Promise<Result>,
): Promise<Result> {
  const { access } = settings;
  const model = access.models.get(name);
  if (model === undefined)
    throw badRequest('model', `is ${shown(name)}, which is not a model of this conductor`);
  const service = serviceOf(principal, access);
  const grant = service?.models.get(name);
  if (grant === undefined || !grants(grant, right))
    throw forbidden('model', `is ${name}: ${nameOf(principal)} is not granted to ${right} it (services)`);

  let table = await catalog.table(db, model.table);
  const known = table?.columns;
  if (known !== undefined && [...named].some((column) => !known.has(column)))
    table = await catalog.refresh(db, model.table);
  if (table === undefined) {
    throw new CallRefused(
      'InternalError',
      `models.${name}.table: there is no table ${model.table} with a primary key`,
      'model',
    );
  }
  const scope = await scopeOf(db, catalog, { name, model, table, tenants: service?.tenants, access });
  const mayRead = both(table, model.read, grant.read);
  const mayWrite = both(table, model.write, grant.write);
  try {
    await readAsWritten(db);
    return await work(authorizedModel({ name, table, scope }, mayRead, mayWrite));
  } catch (error) {
    if (!changed.has(codeOf(error) ?? '')) throw error;
    catalog.forget(model.table);
    throw catalogChanged(name);
  }
}

function grants(grant: ModelGrant, right: Right): boolean {
  if (right === 'delete') return grant.delete;
  const { except, names } = grant[right];
  return except || names.size > 0;
}

function both({ key }: Table, most: Columns, granted: Columns): (column: Column) => boolean {
  // The primary key is readable and writable under any grant.
  return (column) => key.includes(column) || (includes(most, column.name) && includes(granted, column.name));
}

function authorizedModel(
  { name, table, scope }: Pick<AuthorizedModel, 'name' | 'table' | 'scope'>,
  mayRead: (column: Column) => boolean,
  mayWrite: (column: Column) => boolean,
): AuthorizedModel {
  const find = (columnName: string, path: string): Column => {
    const column = table.columns.get(columnName);
    if (column === undefined)
      throw badRequest(path, `names ${shown(columnName)}, which is not a column of ${name}`);
    return column;
  };
  return {
    name,
    table,
    scope,
    shown: [...table.columns.values()].filter(mayRead),
    readable(columnName, path) {
      const column = find(columnName, path);
      if (!mayRead(column)) throw forbidden(path, `names ${columnName}, which the sender may not read`);
      return column;
    },
    writable(columnName, path) {
      const column = find(columnName, path);
      if (!mayWrite(column)) throw forbidden(path, `names ${columnName}, which the sender may not write`);
      if (isKept(table, column) || column.isGenerated)
        throw badRequest(path, `names ${columnName}, which is kept by the conductor or the database`);
      return column;
    },
  };
}

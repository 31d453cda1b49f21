import type { Db } from '../../postgres/transaction.ts';
import { columnTypeOf } from './column-types.ts';
import type { ColumnType } from './numbers.ts';
import { type CatalogColumn, readTable } from './sql/read-table.ts';

/** A column that calls may name if they are granted it. */
export interface Column extends CatalogColumn {
  readonly kind: ColumnType;
}

/** A table that calls may name, as the catalog describes it. */
export interface Table {
  /** The quoted name for a statement. */
  readonly quoted: string;
  readonly columns: ReadonlyMap<string, Column>;
  /** The primary key. */
  readonly key: ReadonlyArray<Column>;
  /** Columns of times that the conductor keeps, if the table has them. */
  readonly created: ReadonlyArray<Column>;
  readonly updated: ReadonlyArray<Column>;
  readonly deletedAt: Column | undefined;
  /** The column that says whether a row is deleted. */
  readonly deleted: Column | undefined;
}

/** Milliseconds after which a table is read again, so that an added column becomes visible on every replica. */
const maxAge = 60_000;

/**
 * Caches the catalog's rows about tables. It holds at most the tables of the configuration. A table is read again after `maxAge`, when
 * a caller names an unknown column, or when Postgres reports a missing object.
 */
export class Catalog {
  private readonly tables = new Map<string, { readonly table: Table; readonly readAt: number }>();

  /** Undefined if there is no such table, or it has no primary key. */
  async table(db: Db, name: string): Promise<Table | undefined> {
    const known = this.tables.get(name);
    const isFresh = known !== undefined && performance.now() - known.readAt < maxAge;
    return isFresh ? known.table : this.refresh(db, name);
  }

  async refresh(db: Db, name: string): Promise<Table | undefined> {
    const table = await describeTable(db, name);
    if (table === undefined) this.tables.delete(name);
    else this.tables.set(name, { table, readAt: performance.now() });
    return table;
  }

  forget(name: string): void {
    this.tables.delete(name);
  }
}

/** Reads a table by its name in the configuration: `table` or `schema.table`. Undefined if it is missing or has no primary key. */
export async function describeTable(db: Db, name: string): Promise<Table | undefined> {
  const [table = name, schema] = name.split('.').toReversed();
  const columns = (await readTable(db, schema, table)).map((column) => ({
    ...column,
    kind: columnTypeOf(column),
  }));
  const key = columns
    .filter(({ keyPosition }) => keyPosition !== null)
    .toSorted((a, b) => (a.keyPosition ?? 0) - (b.keyPosition ?? 0));
  const [first] = columns;
  if (first === undefined || key.length === 0) return undefined;
  const byName = new Map(columns.map((column) => [column.name, column]));
  const times = (...names: string[]) =>
    names.flatMap((one) => {
      const column = byName.get(one);
      return column !== undefined && isTime(column) ? [column] : [];
    });
  const deleted = byName.get('deleted');
  return {
    quoted: first.table,
    columns: byName,
    key,
    created: times('created', 'created_at'),
    updated: times('updated', 'updated_at'),
    deletedAt: times('deleted_at')[0],
    deleted: deleted?.kind.name === 'boolean' && !deleted.isArray ? deleted : undefined,
  };
}

function isTime({ kind, isArray, isGenerated }: Column): boolean {
  return (kind.name === 'timestamp' || kind.name === 'timestamptz') && !isArray && !isGenerated;
}

/** Whether the conductor keeps the column's values, so that no caller may write them. */
export function isKept(table: Table, column: Column): boolean {
  const { created, updated, deletedAt, deleted } = table;
  return [...created, ...updated, deletedAt, deleted].includes(column);
}

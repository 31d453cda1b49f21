import { exactAt } from '../../../../core/exact-json.ts';
import type { JsonObject } from '../../../../core/json.ts';
import { jsonTypeOf } from '../../../../core/json.ts';
import type { Db } from '../../../postgres/transaction.ts';
import type { Column } from '../catalog.ts';
import { Unfit } from '../numbers.ts';
import { badRequest } from '../refusals.ts';

/**
 * Builds a statement. Identifiers come from the catalog, quoted by Postgres, and every value is a parameter. The table is always
 * called `t`.
 */
export class Statement {
  private readonly values: unknown[] = [];

  /** Adds a parameter for a value of a column, cast to the column's type. Throws CallRefused with the path of the argument. */
  value(column: Column, value: unknown, path: string): string {
    return this.add(column, parameterOf(column, value, path), column.isArray);
  }

  /** Adds a parameter for several values of a column. */
  list(column: Column, values: ReadonlyArray<unknown>, path: string): string {
    const texts = values.map((value, index) => parameterOf(column, value, `${path}[${index}]`));
    return this.add(column, texts, true);
  }

  /** Adds a parameter for a value in Postgres's own text form. */
  written(column: Column, text: string): string {
    return this.add(column, text, column.isArray);
  }

  /** Adds a parameter for a count. */
  number(value: number): string {
    return `$${this.values.push(value)}::bigint`;
  }

  /** The number of parameters. */
  get size(): number {
    return this.values.length;
  }

  /** Runs the statement. It is not prepared, since callers can make any number of different ones. */
  run<Row extends Record<string, unknown>>(db: Db, text: string): Promise<Row[]> {
    return db.query<Row>('', text, this.values);
  }

  private add({ kind, type }: Column, text: unknown, asArray: boolean): string {
    const array = asArray ? '[]' : '';
    // A cast to `timestamp` drops the zone of a text. `timestamptz` in between turns the time into UTC.
    const zoned = kind.name === 'timestamp' ? `::timestamptz${array}` : '';
    return `$${this.values.push(text)}${zoned}::${type}${array}`;
  }
}

/** The text or null; for an array, nested texts. */
function parameterOf(column: Column, value: unknown, path: string): unknown {
  if (value === null) return null;
  if (!column.isArray) return textOf(column, value, path);
  if (!Array.isArray(value)) throw badRequest(path, `is ${jsonTypeOf(value)}, not an array`);
  return nested(column, value, path);
}

function nested(column: Column, values: ReadonlyArray<unknown>, path: string): unknown[] {
  return values.map((element, index) => {
    const at = `${path}[${index}]`;
    const value = exactAt(values, index, element);
    if (value === null) return null;
    // An array inside an array of JSON is an element. In other types it is a further dimension.
    if (Array.isArray(value) && column.kind.name !== 'json') return nested(column, value, at);
    return textOf(column, value, at);
  });
}

function textOf(column: Column, value: unknown, path: string): string {
  try {
    return column.kind.toText(value, column);
  } catch (error) {
    if (error instanceof Unfit) throw badRequest(path, error.message);
    throw error;
  }
}

/** The columns that a statement must return for `rowOf`. */
export function outputs(columns: ReadonlyArray<Column>): string {
  // By position: the caller or the deployer chooses the names, and they may collide.
  return columns
    .map(({ quoted, isArray }, index) => `t.${quoted}::text${isArray ? '[]' : ''} AS c${index}`)
    .join(', ');
}

/** A row in the form of an answer. */
export function rowOf(columns: ReadonlyArray<Column>, row: Record<string, unknown>, from = 0): JsonObject {
  return Object.fromEntries(
    columns.map((column, index) => [column.name, fromDatabase(column, row[`c${from + index}`])]),
  );
}

function fromDatabase(column: Column, value: unknown): unknown {
  if (Array.isArray(value)) return value.map((element: unknown) => fromDatabase(column, element));
  return typeof value === 'string' ? column.kind.fromText(value) : null;
}

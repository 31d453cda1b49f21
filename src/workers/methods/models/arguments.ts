import { type ExactNumber, exactAt, isExact } from '../../../core/exact-json.ts';
import { isObject, type JsonObject, jsonTypeOf } from '../../../core/json.ts';
import { badRequest, shown } from './refusals.ts';

/**
 * Readers of the arguments of `model_*`, before the table is known. Each throws CallRefused with the argument's name.
 */

/** Identifies a row: the value of its primary key, or an object with all columns of the key. */
export type RowId = string | number | ExactNumber | JsonObject;

/** One condition on one column. */
export interface Filter {
  readonly column: string;
  readonly operator: Operator;
  readonly operand: unknown;
  /** The path of the argument, for an error. */
  readonly path: string;
}

export const operators = ['eq', 'ne', 'in', 'lt', 'lte', 'gt', 'gte', 'like', 'null'] as const;
export type Operator = (typeof operators)[number];

export interface Order {
  readonly column: string;
  readonly descending: boolean;
  readonly path: string;
}

/** More than anybody writes by hand. Each condition costs Postgres planning time. */
export const maxFilters = 32;
export const maxOrders = 8;
export const maxOperands = 1000;

/** Refuses unknown arguments, since a misspelt filter would not be applied. */
export function onlyArguments(args: JsonObject, names: ReadonlyArray<string>): void {
  const unknown = Object.keys(args).find((name) => !names.includes(name));
  if (unknown === undefined) return;
  const path = shown(unknown).slice(1, -1);
  throw badRequest(path, `is not an argument of this method; it takes ${names.join(', ')}`);
}

export function readModelName({ model }: JsonObject): string {
  if (typeof model !== 'string') throw badRequest('model', `is ${jsonTypeOf(model)}, not a string`);
  return model;
}

export function readRowId(id: unknown, path = 'id'): RowId {
  if (typeof id === 'string' || typeof id === 'number' || isExact(id) || isObject(id)) return id;
  throw badRequest(path, `is ${jsonTypeOf(id)}, not the id of a row`);
}

/** @param maxRows the most rows that it may name. */
export function readRowIds(ids: unknown, maxRows: number): RowId[] {
  if (!Array.isArray(ids)) throw badRequest('ids', `is ${jsonTypeOf(ids)}, not an array`);
  if (ids.length === 0 || ids.length > maxRows)
    throw badRequest('ids', `names ${ids.length} rows, not 1 to ${maxRows} (calls.maxRows)`);
  return ids.map((id: unknown, index) => readRowId(exactAt(ids, index, id), `ids[${index}]`));
}

export function readFlag(args: JsonObject, name: string): boolean {
  const value = args[name] ?? false;
  if (typeof value !== 'boolean') throw badRequest(name, `is ${jsonTypeOf(value)}, not true or false`);
  return value;
}

export function readValues(values: unknown, path = 'values'): JsonObject {
  if (!isObject(values)) throw badRequest(path, `is ${jsonTypeOf(values)}, not an object`);
  return values;
}

/** Reads `{ column: value }` or `{ column: { operator: value } }`. A null stands for `{ null: true }`. */
export function readFilters(filters: unknown): Filter[] {
  if (filters === undefined) return [];
  if (!isObject(filters)) throw badRequest('filters', `is ${jsonTypeOf(filters)}, not an object`);
  const all = Object.entries(filters).flatMap(([column, condition]) =>
    readConditions(column, exactAt(filters, column, condition)),
  );
  if (all.length > maxFilters)
    throw badRequest('filters', `has ${all.length} conditions, more than ${maxFilters}`);
  return all;
}

function readConditions(column: string, condition: unknown): Filter[] {
  const path = `filters[${shown(column)}]`;
  if (condition === null) return [{ column, operator: 'null', operand: true, path }];
  if (isExact(condition) || !isObject(condition))
    return [{ column, operator: 'eq', operand: condition, path }];
  const entries = Object.entries(condition);
  if (entries.length === 0) throw badRequest(path, `has no operator; there are ${operators.join(', ')}`);
  return entries.map(([name, operand]) => {
    const operator = operators.find((known) => known === name);
    if (operator === undefined)
      throw badRequest(path, `has an operator ${shown(name)}; there are ${operators.join(', ')}`);
    checkOperand(operator, operand, `${path}.${operator}`);
    return { column, operator, operand: exactAt(condition, name, operand), path: `${path}.${operator}` };
  });
}

function checkOperand(operator: Operator, operand: unknown, path: string): void {
  if (operator === 'null' && typeof operand !== 'boolean')
    throw badRequest(path, `is ${jsonTypeOf(operand)}, not true or false`);
  if (operator !== 'in') return;
  if (!Array.isArray(operand)) throw badRequest(path, `is ${jsonTypeOf(operand)}, not an array`);
  if (operand.length > maxOperands) throw badRequest(path, `has more than ${maxOperands} elements`);
}

/** Reads `["created", "-name"]`, or `[{ column, direction }]` with the direction `asc` or `desc`. */
export function readOrder(order: unknown): Order[] {
  if (order === undefined) return [];
  if (!Array.isArray(order)) throw badRequest('order_by', `is ${jsonTypeOf(order)}, not an array`);
  if (order.length > maxOrders) throw badRequest('order_by', `has more than ${maxOrders} elements`);
  const read = order.map((entry: unknown, index) => readOrderEntry(entry, `order_by[${index}]`));
  const twice = read.find(({ column }, index) => read.findIndex((one) => one.column === column) < index);
  if (twice !== undefined) throw badRequest(twice.path, `names ${shown(twice.column)} a second time`);
  return read;
}

function readOrderEntry(entry: unknown, path: string): Order {
  if (typeof entry === 'string') {
    const descending = entry.startsWith('-');
    return { column: descending ? entry.slice(1) : entry, descending, path };
  }
  if (!isObject(entry)) throw badRequest(path, `is ${jsonTypeOf(entry)}, not a column`);
  const { column, direction = 'asc', ...rest } = entry;
  const [unknown] = Object.keys(rest);
  if (unknown !== undefined)
    throw badRequest(path, `has a key ${shown(unknown)}; it takes column, direction`);
  if (typeof column !== 'string')
    throw badRequest(`${path}.column`, `is ${jsonTypeOf(column)}, not a string`);
  if (direction !== 'asc' && direction !== 'desc')
    throw badRequest(`${path}.direction`, 'is neither "asc" nor "desc"');
  return { column, descending: direction === 'desc', path };
}

/** Rows of a page if the caller gives no limit. */
const defaultLimit = 100;

export function readLimit(limit: unknown, maxRows: number): number {
  if (limit === undefined) return Math.min(defaultLimit, maxRows);
  if (typeof limit !== 'number' || !Number.isInteger(limit) || limit < 1 || limit > maxRows) {
    const given = typeof limit === 'number' ? limit : jsonTypeOf(limit);
    throw badRequest('limit', `is ${given}, not a whole number from 1 to ${maxRows} (calls.maxRows)`);
  }
  return limit;
}

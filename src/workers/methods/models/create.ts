import type { JsonObject } from '../../../core/json.ts';
import type { CallMethod } from '../contract.ts';
import { onlyArguments, readModelName, readValues } from './arguments.ts';
import { onModel } from './authorized-model.ts';
import type { Catalog } from './catalog.ts';
import { createDescription } from './description.ts';
import { badRequest } from './refusals.ts';
import { insertRows, type NewRow } from './sql/insert-rows.ts';

interface CreateArgs {
  readonly model: string;
  readonly rows: ReadonlyArray<NewRow>;
  /** Whether `values` is an array. Then the answer is a count and rows, otherwise the row. */
  readonly isBulk: boolean;
}

/** Inserts a row, or several rows with one statement: all of them or none. */
export const modelCreate = (catalog: Catalog): CallMethod<CreateArgs> => ({
  description: createDescription,
  allowed: 'service',
  mutating: true,

  parse(args) {
    onlyArguments(args, ['model', 'values']);
    const { values } = args;
    return { model: readModelName(args), rows: readRows(values), isBulk: Array.isArray(values) };
  },

  async run(db, { model, rows, isBulk }, call) {
    const { maxRows } = call.settings.calls;
    if (rows.length > maxRows) throw badRequest('values', `has more than ${maxRows} rows (calls.maxRows)`);
    const named = new Set(rows.flatMap(({ values }) => Object.keys(values)));
    const created = await onModel(db, catalog, call, { model, right: 'write', named }, (authorized) =>
      insertRows(db, authorized, rows),
    );
    return isBulk ? { count: created.length, rows: created } : created[0];
  },
});

function readRows(values: unknown): NewRow[] {
  if (!Array.isArray(values)) return [{ values: readValues(values), path: 'values' }];
  if (values.length === 0) throw badRequest('values', 'is empty');
  return values.map((row: unknown, index) => {
    const path = `values[${index}]`;
    return { values: readValues(row, path) satisfies JsonObject, path };
  });
}

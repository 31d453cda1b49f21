import type { JsonObject } from '../../core/json.ts';
import type { CallMethod } from '../manager.ts';
import { onlyArguments, readModelName, readValues } from '../models/arguments.ts';
import { onModel } from '../models/open.ts';
import { badRequest } from '../models/refusals.ts';
import { insertRows, type NewRow } from '../sql/models/insert-rows.ts';

interface CreateArgs {
  readonly model: string;
  readonly rows: ReadonlyArray<NewRow>;
  /** Of an array the answer is a count and rows, of an object the row. */
  readonly isBulk: boolean;
}

/** Inserts a row, or several with one statement: all of them or none. */
export const modelCreate: CallMethod<CreateArgs> = {
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
    const created = await onModel(db, call, { model, right: 'write', named }, (open) =>
      insertRows(db, open, rows),
    );
    return isBulk ? { count: created.length, rows: created } : created[0];
  },
};

function readRows(values: unknown): NewRow[] {
  if (!Array.isArray(values)) return [{ values: readValues(values), path: 'values' }];
  if (values.length === 0) throw badRequest('values', 'is empty');
  return values.map((row: unknown, index) => {
    const path = `values[${index}]`;
    return { values: readValues(row, path) satisfies JsonObject, path };
  });
}

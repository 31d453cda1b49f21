import { exactAt } from '../../../core/exact-json.ts';
import type { JsonObject } from '../../../core/json.ts';
import type { CallMethod } from '../contract.ts';
import {
  type Filter,
  onlyArguments,
  readFilters,
  readModelName,
  readRowId,
  readRowIds,
  readValues,
} from './arguments.ts';
import { onModel } from './authorized-model.ts';
import type { Catalog } from './catalog.ts';
import { updateDescription } from './description.ts';
import { badRequest } from './refusals.ts';
import { lockRow } from './sql/lock-row.ts';
import { type Target, updateRows } from './sql/update-rows.ts';

interface UpdateArgs {
  readonly model: string;
  readonly values: JsonObject;
  /** The ids as the caller sent them. The configuration bounds their number. */
  readonly target: Exclude<Target, { ids: unknown }> | { readonly ids: unknown };
  readonly ifUpdated: unknown;
}

/** Updates the row of one id, or the rows of several ids or of filters, with one statement: all of them or none. */
export const modelUpdate = (catalog: Catalog): CallMethod<UpdateArgs> => ({
  description: updateDescription,
  allowed: 'service',
  mutating: true,

  parse(args) {
    onlyArguments(args, ['model', 'id', 'ids', 'filters', 'values', 'if_updated']);
    const values = readValues(args.values);
    if (Object.keys(values).length === 0) throw badRequest('values', 'is empty');
    const target = readTarget(args);
    if (args.if_updated !== undefined && !('id' in target))
      throw badRequest('if_updated', 'goes with an id, not with several rows');
    return { model: readModelName(args), values, target, ifUpdated: args.if_updated };
  },

  run(db, { model, values, target: given, ifUpdated }, call) {
    const { maxRows } = call.settings.calls;
    const target = 'ids' in given ? { ids: readRowIds(given.ids, maxRows) } : given;
    const filters: ReadonlyArray<Filter> = 'filters' in target ? target.filters : [];
    const named = [...Object.keys(values), ...filters.map(({ column }) => column)];
    return onModel(db, catalog, call, { model, right: 'write', named }, async (authorized) => {
      if ('id' in target) await lockRow(db, authorized, target.id, ifUpdated);
      const rows = await updateRows(db, authorized, { target, values, maxRows });
      if ('id' in target) return rows[0];
      if (rows.length > maxRows)
        throw badRequest('filters', `let more than ${maxRows} rows through (calls.maxRows); none is changed`);
      return { count: rows.length, rows };
    });
  },
});

function readTarget(args: JsonObject): UpdateArgs['target'] {
  const given = ['id', 'ids', 'filters'].filter((name) => args[name] !== undefined);
  if (given.length !== 1) {
    const found = given.length === 0 ? 'none of them is there' : `there are ${given.join(' and ')}`;
    throw badRequest('id', `or args.ids or args.filters says which rows; ${found}`);
  }
  if (args.ids !== undefined) return { ids: args.ids };
  if (args.filters === undefined) return { id: readRowId(exactAt(args, 'id', args.id)) };
  const filters = readFilters(args.filters);
  // Most likely the caller has lost a filter.
  if (filters.length === 0) throw badRequest('filters', 'is empty: it would change every row');
  return { filters };
}

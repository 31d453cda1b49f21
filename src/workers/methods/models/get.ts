import { exactAt } from '../../../core/exact-json.ts';
import type { CallMethod } from '../contract.ts';
import { onlyArguments, type RowId, readFlag, readModelName, readRowId } from './arguments.ts';
import { onModel } from './authorized-model.ts';
import type { Catalog } from './catalog.ts';
import { getDescription } from './description.ts';
import { notFound } from './refusals.ts';
import { selectRow } from './sql/select-rows.ts';

interface GetArgs {
  readonly model: string;
  readonly id: RowId;
  readonly includeDeleted: boolean;
}

/** Reads one row by its id. */
export const modelGet = (catalog: Catalog): CallMethod<GetArgs> => ({
  description: getDescription,
  allowed: 'service',
  mutating: false,

  parse(args) {
    onlyArguments(args, ['model', 'id', 'include_deleted']);
    return {
      model: readModelName(args),
      id: readRowId(exactAt(args, 'id', args.id)),
      includeDeleted: readFlag(args, 'include_deleted'),
    };
  },

  run(db, { model, id, includeDeleted }, call) {
    return onModel(db, catalog, call, { model, right: 'read', named: [] }, async (authorized) => {
      const row = await selectRow(db, authorized, id, includeDeleted);
      if (row === undefined) throw notFound('id', `names no ${model}`);
      return row;
    });
  },
});

import { exactAt } from '../../core/exact-json.ts';
import type { CallMethod } from '../manager.ts';
import { onlyArguments, type RowId, readFlag, readModelName, readRowId } from '../models/arguments.ts';
import { onModel } from '../models/open.ts';
import { notFound } from '../models/refusals.ts';
import { selectRow } from '../sql/models/select-rows.ts';

interface GetArgs {
  readonly model: string;
  readonly id: RowId;
  readonly includeDeleted: boolean;
}

/** One row by its id. */
export const modelGet: CallMethod<GetArgs> = {
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
    return onModel(db, call, { model, right: 'read', named: [] }, async (open) => {
      const row = await selectRow(db, open, id, includeDeleted);
      if (row === undefined) throw notFound('id', `names no ${model}`);
      return row;
    });
  },
};

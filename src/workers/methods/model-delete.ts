import { exactAt } from '../../core/exact-json.ts';
import type { CallMethod } from '../manager.ts';
import { onlyArguments, type RowId, readModelName, readRowId } from '../models/arguments.ts';
import { onModel } from '../models/open.ts';
import { lockRow } from '../sql/models/lock-row.ts';
import { deleteRow, softDelete } from '../sql/models/update-rows.ts';

interface DeleteArgs {
  readonly model: string;
  readonly id: RowId;
  readonly ifUpdated: unknown;
}

/** Deletes a row: where the table has `deleted` or `deleted_at` it is marked, elsewhere it is gone. */
export const modelDelete: CallMethod<DeleteArgs> = {
  allowed: 'service',
  mutating: true,

  parse(args) {
    onlyArguments(args, ['model', 'id', 'if_updated']);
    return {
      model: readModelName(args),
      id: readRowId(exactAt(args, 'id', args.id)),
      ifUpdated: args.if_updated,
    };
  },

  run(db, { model, id, ifUpdated }, call) {
    return onModel(db, call, { model, right: 'delete', named: [] }, async (open) => {
      await lockRow(db, open, id, ifUpdated);
      const { deleted, deletedAt } = open.table;
      if (deleted === undefined && deletedAt === undefined) await deleteRow(db, open.table, id);
      else await softDelete(db, open, id);
      return { count: 1 };
    });
  },
};

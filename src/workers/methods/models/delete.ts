import { exactAt } from '../../../core/exact-json.ts';
import type { CallMethod } from '../contract.ts';
import { onlyArguments, type RowId, readModelName, readRowId } from './arguments.ts';
import { onModel } from './authorized-model.ts';
import type { Catalog } from './catalog.ts';
import { deleteDescription } from './description.ts';
import { lockRow } from './sql/lock-row.ts';
import { deleteRow, softDelete } from './sql/update-rows.ts';

interface DeleteArgs {
  readonly model: string;
  readonly id: RowId;
  readonly ifUpdated: unknown;
}

/** Deletes a row. If the table has `deleted` or `deleted_at`, the row is marked, otherwise it is removed. */
export const modelDelete = (catalog: Catalog): CallMethod<DeleteArgs> => ({
  description: deleteDescription,
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
    return onModel(db, catalog, call, { model, right: 'delete', named: [] }, async (authorized) => {
      await lockRow(db, authorized, id, ifUpdated);
      const { deleted, deletedAt } = authorized.table;
      if (deleted === undefined && deletedAt === undefined) await deleteRow(db, authorized, id);
      else await softDelete(db, authorized, id);
      return { count: 1 };
    });
  },
});

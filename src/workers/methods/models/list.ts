import { exactAt } from '../../../core/exact-json.ts';
import type { CallMethod } from '../contract.ts';
import {
  type Filter,
  type Order,
  onlyArguments,
  type RowId,
  readFilters,
  readFlag,
  readLimit,
  readModelName,
  readOrder,
  readRowId,
} from './arguments.ts';
import { onModel } from './authorized-model.ts';
import type { Catalog } from './catalog.ts';
import { listDescription } from './description.ts';
import { selectPage } from './sql/select-rows.ts';

interface ListArgs {
  readonly model: string;
  readonly filters: ReadonlyArray<Filter>;
  readonly order: ReadonlyArray<Order>;
  /** As the caller sent it. The configuration has its bound. */
  readonly limit: unknown;
  readonly marker: RowId | undefined;
  readonly includeDeleted: boolean;
}

/** Reads a page of rows. The answer's marker leads to the next page. */
export const modelList = (catalog: Catalog): CallMethod<ListArgs> => ({
  description: listDescription,
  allowed: 'service',
  mutating: false,

  parse(args) {
    onlyArguments(args, ['model', 'filters', 'order_by', 'limit', 'marker', 'include_deleted']);
    const { marker } = args;
    return {
      model: readModelName(args),
      filters: readFilters(args.filters),
      order: readOrder(args.order_by),
      limit: args.limit,
      // Null is accepted, so that a caller can send an answer's marker back unchanged.
      marker:
        marker === undefined || marker === null
          ? undefined
          : readRowId(exactAt(args, 'marker', marker), 'marker'),
      includeDeleted: readFlag(args, 'include_deleted'),
    };
  },

  run(db, { model, limit: given, ...page }, call) {
    const limit = readLimit(given, call.settings.calls.maxRows);
    const named = [...page.filters, ...page.order].map(({ column }) => column);
    return onModel(db, catalog, call, { model, right: 'read', named }, (authorized) =>
      selectPage(db, authorized, { ...page, limit }),
    );
  },
});

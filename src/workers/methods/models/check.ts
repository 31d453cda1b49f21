import type { Access, Columns } from '../../../core/config/access.ts';
import type { Db } from '../../postgres/transaction.ts';
import { describeTable } from './catalog.ts';

/**
 * The first name in `models` and `services` that the database does not have, with its key; undefined if it has all. Otherwise a
 * misspelt column after `except` would be noticed only by the data that it lets through.
 */
export async function missingFromModels(db: Db, { models, services }: Access): Promise<string | undefined> {
  for (const [name, model] of models) {
    const table = await describeTable(db, model.table);
    if (table === undefined)
      return `models.${name}.table: the database has no table ${model.table} with a primary key`;
    const granted: [key: string, columns: Columns | undefined][] = [
      [`models.${name}.read`, model.read],
      [`models.${name}.write`, model.write],
    ];
    for (const [service, { models: grants }] of services) {
      const key = `services.${service}.models.${name}`;
      granted.push([`${key}.read`, grants.get(name)?.read], [`${key}.write`, grants.get(name)?.write]);
    }
    for (const [key, columns] of granted) {
      const missing = [...(columns?.names ?? [])].find((column) => !table.columns.has(column));
      if (missing !== undefined) return `${key}: ${model.table} has no column ${missing}`;
    }
    const { column } = model.tenant;
    const isScoped = [...services.values()].some((one) => one.tenants !== undefined && one.models.has(name));
    if (isScoped && !table.columns.has(column))
      return `models.${name}.tenant: ${model.table} has no column ${column}, by which services keep to their tenants`;
  }
  return undefined;
}

import type { CallMethod } from '../contract.ts';
import { Catalog } from './catalog.ts';
import { modelCreate } from './create.ts';
import { modelDelete } from './delete.ts';
import { modelGet } from './get.ts';
import { modelList } from './list.ts';
import { modelUpdate } from './update.ts';

/** The methods that read and write models. They share one catalog. */
export function modelMethods(): Readonly<Record<string, CallMethod>> {
  const catalog = new Catalog();
  return {
    model_create: modelCreate(catalog),
    model_get: modelGet(catalog),
    model_list: modelList(catalog),
    model_update: modelUpdate(catalog),
    model_delete: modelDelete(catalog),
  };
}

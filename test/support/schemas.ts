import { Ajv, type ValidateFunction } from 'ajv';
import type { JsonSchema } from '../../src/workers/methods/description.ts';

/**
 * Compiles a schema of draft 7. Throws if it is not a valid schema, or has a keyword that draft 7 does not know.
 *
 * @param more keywords that it may have.
 * @param formats that are not checked.
 */
export function compile(
  schema: JsonSchema,
  more: ReadonlyArray<string> = [],
  formats: ReadonlyArray<string> = [],
): ValidateFunction {
  const ajv = new Ajv({ strict: true, strictTypes: false, strictRequired: false });
  ajv.addVocabulary(['x-schema', ...more]);
  for (const format of formats) ajv.addFormat(format, true);
  return ajv.compile(schema);
}

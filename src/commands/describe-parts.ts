import type { JsonObject } from '../core/json.ts';

/** The parts of the document, as AsyncAPI 3.0 names them. */
export interface Parts {
  readonly servers: JsonObject;
  readonly channels: JsonObject;
  readonly operations: JsonObject;
}

/** Keys of AsyncAPI's maps have letters, digits, `.`, `-` and `_` only. A reference has no slash of its own then. */
export function keyOf(name: string): string {
  return name.replaceAll(/[^\w.-]/g, '_');
}

export function reference(...path: ReadonlyArray<string>): JsonObject {
  return { $ref: `#/${path.join('/')}` };
}

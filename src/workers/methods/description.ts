import type { JsonObject } from '../../core/json.ts';

/** A JSON Schema, draft 7. An AsyncAPI document takes it as it is. */
export type JsonSchema = JsonObject;

/** What `conductor describe` says about a method. It is data: no message is checked with it. */
export interface MethodDescription {
  /** One sentence. */
  readonly summary: string;
  /** Rules that a JSON Schema cannot say, in sentences. */
  readonly rules?: string;
  /** The schema of `args`. It accepts what `parse` accepts, except for `rules`. */
  readonly args: JsonSchema;
  /** The schema of `args` for messages that may lack `sent`, as in Trove's form. Left out: `args`. */
  readonly argsWithoutSent?: JsonSchema;
  /** The schema of a call's result. Left out: any value; for a method of guests its outcome. */
  readonly result?: JsonSchema;
}

/** Parts of schemas that methods share. */

/** An object that may have further keys. */
export function object(required: ReadonlyArray<string>, properties: Record<string, JsonSchema>): JsonSchema {
  return { type: 'object', ...(required.length > 0 && { required }), properties };
}

/** An object that has no other keys. */
export function closed(required: ReadonlyArray<string>, properties: Record<string, JsonSchema>): JsonSchema {
  return { ...object(required, properties), additionalProperties: false };
}

export function text(maxLength: number, minLength = 0): JsonSchema {
  return { type: 'string', ...(minLength > 0 && { minLength }), maxLength };
}

/** The same value, or null. */
export function orNull({ type, ...rest }: JsonSchema): JsonSchema {
  return { type: [type, 'null'], ...rest };
}

/** Arguments with `sent`: where it is required, and where it is not. */
export function withAndWithoutSent(
  required: ReadonlyArray<string>,
  properties: Record<string, JsonSchema>,
): Pick<MethodDescription, 'args' | 'argsWithoutSent'> {
  return {
    args: object([...required, 'sent'], { ...properties, sent: sentSchema }),
    argsWithoutSent: object(required, { ...properties, sent: orNull(sentSchema) }),
  };
}

/** Ids are varchar(36) columns. A longer id can name no row. */
export const maxId = 36;

/** Seconds since the epoch that no sender means: the year 5138. As milliseconds it is a day of 1973. */
export const noSeconds = 1e11;

/** The longest name of a user in Trove's tables. */
export const maxUser = 255;

export const idSchema: JsonSchema = text(maxId, 1);

const sentSchema: JsonSchema = {
  description: 'The time at which the sender made the message, in seconds since the epoch.',
  type: 'number',
  maximum: noSeconds,
};

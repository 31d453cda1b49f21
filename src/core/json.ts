import { isUtf8 } from 'node:buffer';
import { messageOf, Rejected } from './errors.ts';

/** No argument of any method is nested deeper than a payload's own fields; hostile ones are, by the ten thousand. */
const maxDepth = 32;

export type JsonObject = Record<string, unknown>;

/** The body's text. Throws Rejected: a replacement character in an id would name another instance. */
export function textOf(body: Uint8Array): string {
  if (body.length === 0) throw new Rejected('empty', 'the body is empty');
  if (!isUtf8(body)) throw new Rejected('not_utf8', 'the body is not valid UTF-8');
  return Buffer.from(body.buffer, body.byteOffset, body.length).toString('utf8');
}

/** Parses a text that has to be a JSON object. `what` names it in the error. */
export function parseObject(text: string, what: string): JsonObject {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new Rejected('not_json', `${what} is not JSON: ${messageOf(error)}`);
  }
  if (!isObject(value)) throw new Rejected('bad_envelope', `${what} is ${kindOf(value)}, not a JSON object`);
  return value;
}

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Names a value's JSON type for an error message. */
export function kindOf(value: unknown): string {
  if (value === undefined) return 'missing';
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'an array';
  if (typeof value === 'object') return 'an object';
  return `a ${typeof value}`;
}

/**
 * Refuses what no honest sender writes and what would bite further on: a `__proto__` key, which a careless copy turns into
 * a prototype; a NUL, which Postgres cannot store in text; nesting beyond reason.
 */
export function refuseHostile(value: unknown, path: string, depth = 0): void {
  if (typeof value === 'string') {
    if (value.includes('\0')) throw new Rejected('bad_argument', `${path} holds a NUL character`);
    return;
  }
  if (typeof value !== 'object' || value === null) return;
  if (depth === maxDepth)
    throw new Rejected('bad_argument', `${path} is nested more than ${maxDepth} levels deep`);
  if (Array.isArray(value)) {
    for (const element of value) refuseHostile(element, path, depth + 1);
    return;
  }
  for (const [key, element] of Object.entries(value)) {
    if (key === '__proto__') throw new Rejected('bad_argument', `${path} has a key __proto__`);
    if (typeof element === 'object' || typeof element === 'string')
      refuseHostile(element, `${path}.${key}`, depth + 1);
  }
}

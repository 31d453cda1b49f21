import { isObject, type JsonObject, textOf } from '../json.ts';

/** Stands for a value that is not kept. */
export const redactedMark = '[redacted]';

/** The inner object of oslo's form is a text. */
const osloMessage = 'oslo.message';
const contextPrefix = '_context_';
/** The envelope's own keys. Only their contents are arguments or a context. */
const envelopeKeys = new Set([
  ...['method', 'args', 'version', 'context', 'message_id', 'reply_to', 'correlation_id'],
  ...['oslo.version', 'namespace', '_unique_id', '_msg_id', '_reply_q'],
]);

/**
 * Takes the values of the named arguments out of a message in the native form or in oslo's, at any depth.
 *
 * @param found gets the texts of these values.
 * @returns the message, with `[redacted]` for each of them.
 */
export function redactMessage(message: JsonObject, names: ReadonlySet<string>, found: string[]): JsonObject {
  const inner = message[osloMessage];
  if (typeof inner === 'string') {
    const parsed: unknown = JSON.parse(inner);
    const redacted = isObject(parsed) ? redactMessage(parsed, names, found) : parsed;
    return { ...message, [osloMessage]: JSON.stringify(redacted) };
  }
  const entries = Object.entries(message).map(([key, value]): [string, unknown] => {
    const name = key.startsWith(contextPrefix) ? key.slice(contextPrefix.length) : key;
    const isNamed = !envelopeKeys.has(key) && (names.has(key) || names.has(name));
    return [key, isNamed ? take(value, found) : redactIn(value, names, found)];
  });
  return Object.fromEntries(entries);
}

/** Deeper values are not looked at: no method takes them. So they are taken out whole. */
const maxDepth = 64;

/** The same for arguments, or any other value of JSON. */
export function redactIn(value: unknown, names: ReadonlySet<string>, found: string[], depth = 0): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (depth === maxDepth) return take(value, found);
  if (Array.isArray(value)) return value.map((one: unknown) => redactIn(one, names, found, depth + 1));
  const entries = Object.entries(value).map(([key, one]): [string, unknown] => [
    key,
    names.has(key) ? take(one, found) : redactIn(one, names, found, depth + 1),
  ]);
  return Object.fromEntries(entries);
}

/** Replaces a value, and notes the texts in it. */
function take(value: unknown, found: string[], depth = 0): string {
  if (typeof value !== 'object' || value === null) found.push(String(value));
  else {
    found.push('');
    if (depth < maxDepth) for (const one of Object.values(value)) take(one, found, depth + 1);
  }
  return redactedMark;
}

/** The message in a body. Undefined if it cannot be read: then it may hold a value anywhere, and none of it may be kept. */
export function readableMessage(body: Uint8Array): JsonObject | undefined {
  try {
    const value: unknown = JSON.parse(textOf(body));
    if (!isObject(value)) return undefined;
    const inner = value[osloMessage];
    return typeof inner === 'string' && !isObject(JSON.parse(inner)) ? undefined : value;
  } catch {
    return undefined;
  }
}

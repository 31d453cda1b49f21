import { isObject, type JsonObject, textOf } from '../../../core/json.ts';
import type { Outcome } from '../../../core/message/outcome.ts';
import { bodyOf } from '../../raw-message.ts';
import type { BatchItem } from '../item.ts';
import { plainBody } from '../read.ts';

type Dead = Extract<Outcome, { kind: 'dead' }>;

/** The parts of a dead letter that could show a value. */
export interface Shown {
  /** Null: nothing of the body may be kept. */
  readonly body: Buffer | null;
  readonly detail: string;
  /** Whether a value or the body was taken out. */
  readonly redacted: boolean;
  /** The body as it is kept is no longer compressed. */
  readonly inflated: boolean;
}

const mark = '[redacted]';

/**
 * Takes the values of the named arguments out of a message, at any depth. A body that cannot be read may hold such a value anywhere,
 * so none of it is kept.
 */
export function redact(item: BatchItem, { reason, detail }: Dead, names: ReadonlySet<string>): Shown {
  const { raw, method, args } = item;
  const found: string[] = [];
  if (raw === undefined) {
    const body = Buffer.from(JSON.stringify({ method, args: redactIn(args, names, found) }));
    return { body, detail: withoutValues(detail, found), redacted: found.length > 0, inflated: false };
  }
  const message = readable(item, reason);
  if (message === undefined)
    return { body: null, detail: withoutExcerpt(detail), redacted: true, inflated: false };
  const redacted = redactMessage(message, names, found);
  if (found.length === 0) return { body: bodyOf(raw), detail, redacted: false, inflated: false };
  const body = Buffer.from(JSON.stringify(redacted));
  return { body, detail: withoutValues(detail, found), redacted: true, inflated: true };
}

/** The message as JSON; undefined if it cannot be read. A message that has ended a worker is not read again. */
function readable({ raw }: BatchItem, reason: Dead['reason']): JsonObject | undefined {
  if (raw === undefined || raw.oversize !== undefined || raw.unsealed !== undefined || reason === 'crash')
    return undefined;
  try {
    const value: unknown = JSON.parse(textOf(plainBody(raw)));
    if (!isObject(value)) return undefined;
    const inner = value[osloMessage];
    return typeof inner === 'string' && !isObject(JSON.parse(inner)) ? undefined : value;
  } catch {
    // It is dead for this very reason.
    return undefined;
  }
}

/** The inner object of oslo's form is a text. */
const osloMessage = 'oslo.message';
const contextPrefix = '_context_';
/** The envelope's own keys. Only their contents are arguments or a context. */
const envelopeKeys = new Set([
  ...['method', 'args', 'version', 'context', 'message_id', 'reply_to', 'correlation_id'],
  ...['oslo.version', 'namespace', '_unique_id', '_msg_id', '_reply_q'],
]);

function redactMessage(message: JsonObject, names: ReadonlySet<string>, found: string[]): JsonObject {
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

function redactIn(value: unknown, names: ReadonlySet<string>, found: string[], depth = 0): unknown {
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
  return mark;
}

/** Characters by which a value is recognized in a detail, since a detail quotes only the beginning of a long one. */
const recognized = 12;

function withoutValues(detail: string, found: ReadonlyArray<string>): string {
  const words = new Set(detail.split(/[^\p{L}\p{N}]+/u));
  const isQuoted = found.some((value) => {
    const begin = value.slice(0, recognized);
    if (begin.length < 3) return words.has(begin) && begin !== '';
    return detail.includes(begin) || detail.includes(JSON.stringify(begin).slice(1, -1));
  });
  return isQuoted ? `${mark}: it quoted a value that is not kept` : detail;
}

/** The parser of JSON quotes a part of the text behind this colon. */
function withoutExcerpt(detail: string): string {
  const [begin = '', ...rest] = detail.split(': ');
  return rest.length === 0 ? detail : `${begin}; more is not kept`;
}

import { isUtf8 } from 'node:buffer';
import { bodyOf, type Span } from '../../span.ts';

/**
 * Finds where the context of oslo's message begins, and whether the message can be read without it. The context is three quarters of
 * the text, so that reading it would take most of the time of a heartbeat.
 */

/** The prefix of each key of the context (oslo_messaging/_drivers/amqp.py, `pack_context`). */
export const contextPrefix = '_context_';

/** The first key of the context, as Python's json writes it into the escaped inner text. */
const begin = Buffer.from(', \\"_context_');
/** The end of the inner object, of its text and of the envelope. */
const end = [0x7d, 0x22, 0x7d];

const quote = 0x22;
const backslash = 0x5c;
const colon = 0x3a;
const closeBrace = 0x7d;
/** JSON has no byte below it in a string without an escape. */
const firstPlain = 0x20;
const lastAscii = 0x7e;
const prefix = Buffer.from(contextPrefix);

/**
 * The offset in `bytes` of the comma before the context; undefined if something other than the context follows it, so that the whole
 * text has to be read. The text is cut there and closed. The result is valid JSON only if the comma is at the top level of the inner
 * object: in JSON that is escaped once, an escaped quote begins or ends a string, and the prefix never follows one that ends a string.
 */
export function contextBegin(span: Span): number | undefined {
  if (endsWithKnown(span)) return span.end - known.bytes.length;
  const at = find(bodyOf(span));
  return at === undefined ? undefined : span.begin + at;
}

/** The offset of the comma in a body whose context is not the last one that was checked. */
function find(body: Buffer): number | undefined {
  const at = body.indexOf(begin);
  // Nobody looks at the context's bytes again.
  if (at === -1 || !isUtf8(body)) return undefined;
  const endsAt = body.length - end.length;
  for (let index = 0; index < end.length; index += 1)
    if (body[endsAt + index] !== end[index]) return undefined;
  if (!onlyContextFollows(body, at, endsAt)) return undefined;
  known = contextOf(body, at);
  return at;
}

/** The context of a message up to the end of its body, after a full check. */
interface Known {
  readonly bytes: Buffer;
  /** The request id's first byte, and the byte after its last. Both are 0 if there is no request id. */
  readonly idFrom: number;
  readonly idTo: number;
}

/**
 * The last context that was checked. The guests of a fleet send heartbeats whose contexts differ in the request id only, and a
 * comparison is faster than a check.
 */
let known: Known = { bytes: Buffer.alloc(0), idFrom: 0, idTo: 0 };

const requestId = Buffer.from('\\"_context_request_id\\": \\"');

function contextOf(body: Buffer, at: number): Known {
  // Copied, since the body is a view that keeps its whole batch in memory.
  const bytes = Buffer.from(body.subarray(at));
  const found = bytes.indexOf(requestId);
  const idFrom = found === -1 ? 0 : found + requestId.length;
  return { bytes, idFrom, idTo: found === -1 ? 0 : bytes.indexOf(backslash, idFrom) };
}

/** Whether the body ends with the last context that was checked, but for the request id. */
function endsWithKnown({ bytes: body, begin: from, end: to }: Span): boolean {
  const { bytes, idFrom, idTo } = known;
  const at = to - bytes.length;
  if (bytes.length === 0 || at < from) return false;
  // A request id has no character that could end its text.
  for (let index = at + idFrom; index < at + idTo; index += 1) if (!isIdByte(body[index] ?? 0)) return false;
  return (
    body.compare(bytes, idTo, bytes.length, at + idTo, to) === 0 &&
    (idFrom === 0 || body.compare(bytes, 0, idFrom, at, at + idFrom) === 0)
  );
}

/** The beginning of the envelope, as Python's json writes it. */
const head = Buffer.from('{"oslo.version": "2.0", "oslo.message": "');

/** For texts whose escapes are taken out. One body at a time uses it. A longer text is parsed in the usual way. */
const scratch = Buffer.alloc(4096);

/**
 * The inner object's text before the context, closed; undefined if it needs a whole parser. It is what parsing the envelope would give:
 * after this beginning the text is one string of JSON, and its only escapes are those of quotes. Parsing would make the text twice.
 */
export function innerBefore({ bytes, begin: from }: Span, cut: number): string | undefined {
  const start = from + head.length;
  if (cut < start) return undefined;
  if (cut - start >= scratch.length || bytes.compare(head, 0, head.length, from, start) !== 0)
    return undefined;
  let length = 0;
  for (let at = start; at < cut; at += 1) {
    let byte = bytes[at] ?? 0;
    if (byte === backslash) {
      at += 1;
      byte = bytes[at] ?? 0;
      if (byte !== quote) return undefined;
    } else if (byte === quote || byte < firstPlain || byte > lastAscii) return undefined;
    scratch[length] = byte;
    length += 1;
  }
  scratch[length] = closeBrace;
  return scratch.toString('latin1', 0, length + 1);
}

/** Whether the byte is a digit, a small letter or a hyphen. */
function isIdByte(byte: number): boolean {
  return (byte >= 0x61 && byte <= 0x7a) || (byte >= 0x30 && byte <= 0x39) || byte === 0x2d;
}

/**
 * Whether every key from `at` to the end of the inner object has the context's prefix, and the envelope ends after the inner text. A
 * key without the prefix might repeat a key from before the context (JSON takes the last), or make the message a call. Keys inside a
 * value of the context count as well; they are rare, and the message is then only read more slowly.
 *
 * The body has an unescaped quote at `endsAt + 1`, which ends each of the loops.
 */
function onlyContextFollows(body: Buffer, from: number, endsAt: number): boolean {
  let at = from;
  while (at < endsAt) {
    const byte = body[at];
    if (byte === quote) return false;
    if (byte !== backslash) {
      at += 1;
      continue;
    }
    if (body[at + 1] !== quote) return false;
    const begins = at + 2;
    at = stringEnd(body, begins);
    if (at === -1) return false;
    if (!endsValue(body[at]) && !hasPrefix(body, begins)) return false;
  }
  return at === endsAt;
}

/** The offset after the string of the inner text that begins at `at`; -1 if Python's json would not write it so. */
function stringEnd(body: Buffer, from: number): number {
  for (let at = from; ; at += 1) {
    const byte = body[at];
    if (byte === quote || byte === undefined) return -1;
    if (byte !== backslash) continue;
    const next = body[at + 1];
    if (next === quote) return at + 2;
    // Another escape of the outer text, such as a quote by its code point.
    if (next !== backslash) return -1;
    // An escape of the inner text. The outer text may escape its second character too.
    at += body[at + 2] === backslash ? 3 : 2;
  }
}

/** Whether the byte after a string shows that the string is no key: a comma, or the end of an array or an object. */
function endsValue(byte: number | undefined): boolean {
  return byte === 0x2c || byte === 0x5d || byte === 0x7d;
}

function hasPrefix(body: Buffer, at: number): boolean {
  for (let index = 0; index < prefix.length; index += 1) if (body[at + index] !== prefix[index]) return false;
  return true;
}

/**
 * The first key that occurs before the context and again after its beginning, or twice after it; undefined if there is none. Such a key
 * has one meaning for a reader that stops at the context, and another for a reader of the whole message.
 *
 * @param inner the inner object. It must be valid JSON.
 */
export function repeatedBehindContext(inner: string): string | undefined {
  const seen = new Set<string>();
  let isBehind = false;
  for (const name of topLevelNames(inner)) {
    if (name.startsWith(contextPrefix)) isBehind = true;
    else if (isBehind && seen.has(name)) return name;
    else seen.add(name);
  }
  return undefined;
}

/** The names of an object's own keys in their order, repeated ones included. */
function* topLevelNames(json: string): Generator<string> {
  let depth = 0;
  let at = 0;
  while (at < json.length) {
    const code = json.charCodeAt(at);
    if (code === 0x7b || code === 0x5b) depth += 1;
    else if (code === 0x7d || code === 0x5d) depth -= 1;
    if (code !== quote) {
      at += 1;
      continue;
    }
    const begins = at;
    at = behindString(json, at + 1);
    if (depth !== 1) continue;
    while (json.charCodeAt(at) <= 0x20) at += 1;
    if (json.charCodeAt(at) === colon) yield nameOf(json.slice(begins, at).trimEnd());
  }
}

/** The offset after the string whose content begins at `at`. */
function behindString(json: string, from: number): number {
  let at = from;
  while (at < json.length && json.charCodeAt(at) !== quote) at += json.charCodeAt(at) === backslash ? 2 : 1;
  return at + 1;
}

function nameOf(quoted: string): string {
  return quoted.includes('\\') ? String(JSON.parse(quoted)) : quoted.slice(1, -1);
}

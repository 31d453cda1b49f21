import { isUtf8 } from 'node:buffer';
import { messageOf, Rejected } from './errors.ts';
import { bodyOf, type Span, wholeBody } from './span.ts';

/** Levels of nesting. No method's arguments need more; hostile ones have tens of thousands. */
const maxDepth = 32;

export type JsonObject = Record<string, unknown>;

/** The text of a body that has bytes of its own. As `textIn`. */
export function textOf(body: Uint8Array): string {
  return textIn(wholeBody(bufferOf(body)));
}

/**
 * The body's text. Throws Rejected if any of the body is not UTF-8: a replacement character in an id would name another instance.
 */
export function textIn(body: Span): string {
  const span = trimmed(body);
  if (span.begin === span.end) throw new Rejected('empty', 'the body is empty');
  const text = textAsItIs(span);
  if (text === undefined) throw new Rejected('not_utf8', 'the body is not valid UTF-8');
  return text;
}

/** What decoding puts in the place of bytes that are not UTF-8. A sender may write it too. */
const replacement = '\ufffd';

/** The text of the bytes; undefined if they are not UTF-8. */
function textAsItIs(span: Span): string | undefined {
  const text = span.bytes.toString('utf8', span.begin, span.end);
  // To look for the character costs less than the view that the check needs.
  return text.includes(replacement) && !isUtf8(bodyOf(span)) ? undefined : text;
}

const nul = 0;
const byteOrderMark = [0xef, 0xbb, 0xbf];

/** The body without a leading byte order mark and without trailing NULs, which some senders add. */
export function trimmed(body: Span): Span {
  const { bytes, begin: from, end: to } = body;
  if (from === to) return body;
  const isPlain = bytes[from] !== byteOrderMark[0] && bytes[to - 1] !== nul;
  if (isPlain) return body;
  const hasMark =
    to - from >= byteOrderMark.length && byteOrderMark.every((byte, index) => bytes[from + index] === byte);
  const begin = hasMark ? from + byteOrderMark.length : from;
  let end = to;
  while (end > begin && isBlank(bytes[end - 1])) end -= 1;
  return { bytes, begin, end };
}

/** A NUL, or white space as JSON has it: a line may end before its NUL or behind it. */
function isBlank(byte: number | undefined): boolean {
  return byte === nul || byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;
}

/** The same bytes as a Buffer. Most of a worker's bodies are Buffers already, and making one is dear. */
export function bufferOf(bytes: Uint8Array): Buffer {
  return bytes instanceof Buffer ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
}

/** Characters. In a shorter text nesting costs little to parse. */
const largeText = 16_384;

/** Levels of nesting that a large text may have: to parse a hundred thousand of them costs fifty times as much as to parse a flat text. */
const parsedDepth = 1000;

/** Whether a text is nested too deep, if it is JSON. It costs a small part of parsing. */
function isTooDeep(text: string): boolean {
  let depth = 0;
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if (code === quote) at = endOfString(text, at);
    else if (code === openBracket || code === openBrace) {
      depth += 1;
      if (depth > parsedDepth) return true;
    } else if (code === closeBracket || code === closeBrace) depth -= 1;
  }
  return false;
}

const [quote, backslash, openBracket, closeBracket, openBrace, closeBrace] = [
  0x22, 0x5c, 0x5b, 0x5d, 0x7b, 0x7d,
] as const;

/** The place of the quote that ends the string which begins at `begin`; the end of the text if none does. */
function endOfString(text: string, begin: number): number {
  for (let at = begin + 1; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if (code === quote) return at;
    if (code === backslash) at += 1;
  }
  return text.length;
}

/** Parses a text that has to be a JSON object. Throws Rejected. `what` names the text in the error. */
export function parseObject(text: string, what: string): JsonObject {
  if (text.length > largeText && isTooDeep(text))
    throw new Rejected('bad_envelope', `${what} is nested more than ${parsedDepth} levels deep`);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new Rejected('not_json', `${what} is not JSON: ${jsonFault(error)}`);
  }
  if (!isObject(value))
    throw new Rejected('bad_envelope', `${what} is ${jsonTypeOf(value)}, not a JSON object`);
  return value;
}

/** The text of an error of `JSON.parse`, without the piece of the source that Node quotes in it: it may be a secret. */
export function jsonFault(error: unknown): string {
  const text = messageOf(error);
  if (!text.endsWith(' is not valid JSON')) return text;
  return /^Unexpected token '.'/su.exec(text)?.[0] ?? 'Unexpected text';
}

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Names a value's JSON type for an error message. */
export function jsonTypeOf(value: unknown): string {
  if (value === undefined) return 'missing';
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'an array';
  if (typeof value === 'object') return 'an object';
  return `a ${typeof value}`;
}

/**
 * Refuses JSON that no honest sender writes and that does harm later: a `__proto__` key, which a careless copy turns into
 * a prototype; a NUL, which Postgres cannot store in text; nesting beyond reason.
 */
export function refuseHostile(value: unknown, path: string): void {
  const problem = hostility(value, 0);
  if (problem !== undefined) throw new Rejected('bad_argument', `${path}${problem}`, argumentIn(problem));
}

/** The argument that a path such as `.payload.x is ...` begins with. */
function argumentIn(problem: string): string | undefined {
  return /^\.([^. ]+)/.exec(problem)?.[1];
}

/** The path to something hostile below the value, and its kind. The path is built on the way out, since there rarely is one. */
function hostility(value: unknown, depth: number): string | undefined {
  if (typeof value === 'string') return textProblem(value);
  if (typeof value !== 'object' || value === null) return undefined;
  if (depth === maxDepth) return ` is nested more than ${maxDepth} levels deep`;
  if (Object.hasOwn(value, '__proto__')) return ' has a key __proto__';
  for (const key in value) {
    const problem = hostility(Reflect.get(value, key), depth + 1);
    // The sender chooses how long a key is.
    if (problem !== undefined) return `.${key.slice(0, 64)}${problem}`;
  }
  return undefined;
}

function textProblem(text: string): string | undefined {
  if (text.includes('\0')) return ' holds a NUL character';
  // JSON can say half of a surrogate pair. Postgres would get a replacement character in its place.
  return text.isWellFormed() ? undefined : ' holds half of a surrogate pair';
}

import { isUtf8 } from 'node:buffer';
import { hash, timingSafeEqual } from 'node:crypto';
import type { Span } from '../span.ts';

/**
 * The signed form: two lines before the body of the native form. docs/protocol.md, "Signed messages", has it byte for byte.
 *
 * ```
 * hmac-sha256 <64 hexadecimal digits>\n
 * 1 <key id> <sender> <sent> <message id>\n
 * <body>
 * ```
 *
 * The first line has the HMAC-SHA256 of all bytes behind it. So no program has to write a message twice in the same form, and a
 * verifier parses nothing before it trusts it but one line.
 */

const magic = Buffer.from('hmac-sha256 ');
const digits = 64;
/** The offset of the signed bytes: behind the first line. */
const signedBegin = magic.length + digits + 1;
/** Bytes of the second line at most. */
const maxLine = 1024;
const newline = 0x0a;

/** The second line. */
export interface SignedLine {
  readonly keyId: string;
  readonly sender: string;
  /** Seconds since the epoch: when the message was signed. */
  readonly sent: number;
  /** Empty if the message has none. */
  readonly messageId: string;
}

/**
 * The two lines of a body, as they were read. Only the texts that are asked for are made: what a batch keeps costs garbage collection.
 */
export class SignedMessage {
  readonly body: Span;
  /** The name of the key, as the line has it: `<key id> <sender>`. */
  readonly name: string;
  /** Seconds since the epoch: when the message was signed. */
  readonly sent: number;
  /** The offset of the content in the body. */
  readonly begin: number;
  /** The offset of the message id in the body. It ends before the content's newline. */
  private readonly idBegin: number;

  constructor(body: Span, name: string, sent: number, idBegin: number, begin: number) {
    this.body = body;
    this.name = name;
    this.sent = sent;
    this.idBegin = idBegin;
    this.begin = begin;
  }

  get keyId(): string {
    return this.name.slice(0, this.name.indexOf(' '));
  }

  get sender(): string {
    return this.name.slice(this.name.indexOf(' ') + 1);
  }

  /** Empty if the message has none. */
  get messageId(): string {
    const { bytes, begin } = this.body;
    return bytes.toString('utf8', begin + this.idBegin, begin + this.begin - 1);
  }
}

/** A key id, a sender without spaces, a time, and a message id up to the end of the line; no control characters. */
const line =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: it refuses them
  /^1 [A-Za-z0-9_-]{1,64} [^\s\x00-\x1f\x7f-\x9f]{1,255} \d{1,12}(?:\.\d{1,9})? [^\x00-\x1f\x7f-\x9f]{0,255}$/;

/** The name of a key in a line. Neither part has a space. */
export function keyName({ keyId, sender }: Pick<SignedLine, 'keyId' | 'sender'>): string {
  return `${keyId} ${sender}`;
}

/** Reads the two lines of a body. Returns a text with the problem if it is not in the signed form. Proves nothing yet. */
export function readSigned(body: Span): SignedMessage | string {
  const { bytes, begin, end } = body;
  for (let at = 0; at < magic.length; at += 1) if (bytes[begin + at] !== magic[at]) return 'it is not signed';
  const from = begin + signedBegin;
  if (from > end || bytes[from - 1] !== newline) return 'its first line is not "hmac-sha256 " and 64 digits';
  const last = Math.min(end, from + maxLine);
  return (
    readPlainLine(body, from, last) ??
    readAnyLine(body, from, last) ??
    'its second line is not "1 <key id> <sender> <sent> <message id>"'
  );
}

/** The offset of the key id in the second line. */
const keyBegin = 2;
const [space, dot, zero, one] = [0x20, 0x2e, 0x30, 0x31];
/** By byte: 1 in a key id, a sender and a message id; 2 in a sender and a message id; 0 in neither. */
const kinds = Uint8Array.from({ length: 256 }, (_, byte) => {
  if (/[A-Za-z0-9_-]/.test(String.fromCharCode(byte))) return 1;
  return byte > space && byte < 0x7f ? 2 : 0;
});

/**
 * Reads a second line of ASCII, as nearly all are, in one pass over its bytes. Undefined: `readAnyLine` decides. It accepts no line
 * that the pattern refuses.
 */
function readPlainLine(body: Span, from: number, last: number): SignedMessage | undefined {
  const { bytes, begin } = body;
  if (bytes[from] !== one || bytes[from + 1] !== space) return undefined;
  let at = from + keyBegin;
  while (at < last && kinds[bytes[at] ?? 0] === 1) at += 1;
  const keyEnd = at;
  if (keyEnd === from + keyBegin || keyEnd > from + keyBegin + 64 || bytes[at] !== space) return undefined;
  at += 1;
  while (at < last && kinds[bytes[at] ?? 0] !== 0) at += 1;
  const nameEnd = at;
  if (nameEnd === keyEnd + 1 || nameEnd > keyEnd + 1 + 255 || bytes[at] !== space) return undefined;
  at += 1;
  let sent = 0;
  for (; isDigit(bytes[at]); at += 1) sent = sent * 10 + (bytes[at] ?? 0) - zero;
  if (at === nameEnd + 1 || at > nameEnd + 1 + 12) return undefined;
  let scale = 1;
  if (bytes[at] === dot) {
    for (at += 1; isDigit(bytes[at]); at += 1, scale *= 10) sent = sent * 10 + (bytes[at] ?? 0) - zero;
    if (scale === 1 || scale > 1e9) return undefined;
  }
  // Both are whole numbers that a double holds, so the quotient is the number that the text says.
  if (sent > Number.MAX_SAFE_INTEGER || bytes[at] !== space) return undefined;
  const idBegin = at + 1;
  at = idBegin;
  while (at < last && (kinds[bytes[at] ?? 0] !== 0 || bytes[at] === space)) at += 1;
  if (at >= last || bytes[at] !== newline || at > idBegin + 255) return undefined;
  const name = bytes.toString('latin1', from + keyBegin, nameEnd);
  return new SignedMessage(body, name, sent / scale, idBegin - begin, at + 1 - begin);
}

function isDigit(byte: number | undefined): boolean {
  return byte !== undefined && byte >= zero && byte < zero + 10;
}

/** Reads any second line. Undefined if it is none. */
function readAnyLine(body: Span, from: number, last: number): SignedMessage | undefined {
  const { bytes, begin } = body;
  const lineEnd = bytes.subarray(0, last).indexOf(newline, from);
  if (lineEnd < 0 || !isUtf8(bytes.subarray(from, lineEnd))) return undefined;
  const text = bytes.toString('utf8', from, lineEnd);
  if (!line.test(text)) return undefined;
  const nameEnd = text.indexOf(' ', text.indexOf(' ', keyBegin) + 1);
  const sentEnd = text.indexOf(' ', nameEnd + 1);
  const sent = Number(text.slice(nameEnd + 1, sentEnd));
  const idBegin = from + Buffer.byteLength(text.slice(0, sentEnd + 1)) - begin;
  return new SignedMessage(body, text.slice(keyBegin, nameEnd), sent, idBegin, lineEnd + 1 - begin);
}

/** Whether the first line has the signature of the rest under this key. The time does not depend on where the two differ. */
export function isSignedBy({ bytes, begin, end }: Span, key: HmacKey): boolean {
  // Digits of either case are the same signature. No other byte becomes a digit by this bit but control characters.
  const first = begin + magic.length;
  for (let at = 0; at < digits; at += 1) {
    const digit = bytes[first + at] ?? 0;
    given[at] = digit < 0x30 ? 0 : digit | 0x20;
  }
  expected.write(key.mac(bytes, begin + signedBegin, end), 'latin1');
  return timingSafeEqual(given, expected);
}

const given = Buffer.alloc(digits);
const expected = Buffer.alloc(digits);

/** Signs a body. */
export function sign(
  body: Uint8Array,
  { keyId, sender, sent, messageId }: SignedLine,
  key: HmacKey,
): Uint8Array {
  const signed = Buffer.concat([
    // A fixed number of decimals: the shortest form of a number may have an exponent.
    Buffer.from(`1 ${keyId} ${sender} ${sent.toFixed(6)} ${messageId}\n`),
    body,
  ]);
  return Buffer.concat([magic, Buffer.from(`${key.mac(signed)}\n`), signed]);
}

/** The block of SHA-256, in bytes. */
const block = 64;
/** Longer texts get a buffer of their own. */
const usualLength = 4096;

/**
 * HMAC-SHA256 with one key (RFC 2104). Two hashes of prepared blocks take half of the time of Node's `createHmac`, which makes an
 * object for each message. The key is a text, one character a byte: a text costs the garbage collection less than a buffer, and a
 * thread keeps tens of thousands of keys.
 */
export class HmacKey {
  private readonly secret: string;

  /** @param secret at most 64 bytes. */
  constructor(secret: Uint8Array) {
    if (secret.length > block) throw new RangeError(`a key of ${secret.length} bytes is too long`);
    this.secret = Buffer.from(secret).toString('latin1');
  }

  /** The code of these bytes, or of a part of them: 64 lower-case hexadecimal digits. */
  mac(bytes: Uint8Array, begin = 0, end = bytes.length): string {
    const { secret } = this;
    const length = block + end - begin;
    const first = length > usualLength ? Buffer.allocUnsafe(length) : scratch;
    for (let at = 0; at < block; at += 1) {
      const byte = at < secret.length ? secret.charCodeAt(at) : 0;
      first[at] = byte ^ 0x36;
      last[at] = byte ^ 0x5c;
    }
    first.set(bytes.subarray(begin, end), block);
    last.write(hash('sha256', first.subarray(0, length), 'binary'), block, 'latin1');
    return hash('sha256', last, 'hex');
  }
}

const scratch = Buffer.alloc(usualLength);
const last = Buffer.alloc(block + 32);

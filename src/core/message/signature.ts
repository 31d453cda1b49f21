import { isUtf8 } from 'node:buffer';
import { hash, timingSafeEqual } from 'node:crypto';
import type { Span } from './span.ts';

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

export interface SignedMessage extends SignedLine {
  /** The key id and the sender, as the line has them: `<key id> <sender>`. */
  readonly name: string;
  /** The offset of the content in the body. */
  readonly begin: number;
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
export function readSigned({ bytes, begin, end }: Span): SignedMessage | string {
  for (let at = 0; at < magic.length; at += 1) if (bytes[begin + at] !== magic[at]) return 'it is not signed';
  const from = begin + signedBegin;
  if (from > end || bytes[from - 1] !== newline) return 'its first line is not "hmac-sha256 " and 64 digits';
  const last = Math.min(end, from + maxLine);
  let lineEnd = from;
  let isAscii = true;
  for (; lineEnd < last && bytes[lineEnd] !== newline; lineEnd += 1) isAscii &&= (bytes[lineEnd] ?? 0) < 0x80;
  const isText = lineEnd < last && (isAscii || isUtf8(bytes.subarray(from, lineEnd)));
  const text = isText ? bytes.toString('utf8', from, lineEnd) : '';
  // Slices cost less than the groups of the pattern.
  if (!line.test(text)) return 'its second line is not "1 <key id> <sender> <sent> <message id>"';
  const afterKey = text.indexOf(' ', keyBegin);
  const afterSender = text.indexOf(' ', afterKey + 1);
  const afterSent = text.indexOf(' ', afterSender + 1);
  return {
    name: text.slice(keyBegin, afterSender),
    keyId: text.slice(keyBegin, afterKey),
    sender: text.slice(afterKey + 1, afterSender),
    sent: Number(text.slice(afterSender + 1, afterSent)),
    messageId: text.slice(afterSent + 1),
    begin: lineEnd + 1 - begin,
  };
}

/** The offset of the key id in the second line. */
const keyBegin = 2;

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
 * object for each message. The blocks are texts, one character a byte: texts cost the garbage collection less than buffers, and a
 * thread keeps tens of thousands of keys.
 */
export class HmacKey {
  private readonly inner: string;
  private readonly outer: string;

  /** @param secret at most 64 bytes. */
  constructor(secret: Uint8Array) {
    if (secret.length > block) throw new RangeError(`a key of ${secret.length} bytes is too long`);
    this.inner = paddedWith(0x36, secret);
    this.outer = paddedWith(0x5c, secret);
  }

  /** The code of these bytes, or of a part of them: 64 lower-case hexadecimal digits. */
  mac(bytes: Uint8Array, begin = 0, end = bytes.length): string {
    const length = block + end - begin;
    const first = length > usualLength ? Buffer.allocUnsafe(length) : scratch;
    first.write(this.inner, 'latin1');
    first.set(bytes.subarray(begin, end), block);
    last.write(this.outer, 'latin1');
    last.write(hash('sha256', first.subarray(0, length), 'binary'), block, 'latin1');
    return hash('sha256', last, 'hex');
  }
}

const scratch = Buffer.alloc(usualLength);
const last = Buffer.alloc(block + 32);

function paddedWith(pad: number, secret: Uint8Array): string {
  const padded = Buffer.alloc(block, pad);
  for (const [index, byte] of secret.entries()) padded[index] = pad ^ byte;
  return padded.toString('latin1');
}

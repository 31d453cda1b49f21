import { isUtf8 } from 'node:buffer';
import { hash, timingSafeEqual } from 'node:crypto';

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
  /** The offset of the body. */
  readonly begin: number;
}

/** A key id, a sender without spaces, a time, and a message id up to the end of the line; no control characters. */
const line =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: it refuses them
  /^1 ([A-Za-z0-9_-]{1,64}) ([^\s\x00-\x1f\x7f-\x9f]{1,255}) (\d{1,12}(?:\.\d{1,9})?) ([^\x00-\x1f\x7f-\x9f]{0,255})$/;

/** Reads the two lines before a body. Returns a text with the problem if the bytes are not in the signed form. Proves nothing yet. */
export function readSigned(bytes: Buffer): SignedMessage | string {
  for (let at = 0; at < magic.length; at += 1) if (bytes[at] !== magic[at]) return 'it is not signed';
  if (bytes[signedBegin - 1] !== newline) return 'its first line is not "hmac-sha256 " and 64 digits';
  const end = bytes.subarray(0, signedBegin + maxLine).indexOf(newline, signedBegin);
  const header = end === -1 ? undefined : bytes.subarray(signedBegin, end);
  const match = header !== undefined && isUtf8(header) ? line.exec(header.toString('utf8')) : null;
  const [, keyId, sender, sent, messageId] = match ?? [];
  if (keyId === undefined || sender === undefined || messageId === undefined)
    return 'its second line is not "1 <key id> <sender> <sent> <message id>"';
  return { keyId, sender, sent: Number(sent), messageId, begin: end + 1 };
}

/** Whether the first line has the signature of the rest under this key. The time does not depend on where the two differ. */
export function isSignedBy(bytes: Buffer, key: HmacKey): boolean {
  given.fill(0);
  // Digits that are not hexadecimal end the write, and leave zeros.
  given.write(bytes.toString('latin1', magic.length, magic.length + digits), 'hex');
  expected.write(key.mac(bytes.subarray(signedBegin)), 'binary');
  return timingSafeEqual(given, expected);
}

const given = Buffer.alloc(32);
const expected = Buffer.alloc(32);

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
  const signature = Buffer.from(key.mac(signed), 'binary').toString('hex');
  return Buffer.concat([magic, Buffer.from(`${signature}\n`), signed]);
}

/** The block of SHA-256, in bytes. */
const block = 64;
/** Longer texts get a buffer of their own. */
const usualLength = 4096;

/**
 * HMAC-SHA256 with one key (RFC 2104). Two hashes of prepared blocks take half of the time of Node's `createHmac`, which makes an
 * object for each message.
 */
export class HmacKey {
  private readonly inner = Buffer.alloc(block, 0x36);
  private readonly outer = Buffer.alloc(block, 0x5c);

  /** @param secret at most 64 bytes. */
  constructor(secret: Uint8Array) {
    if (secret.length > block) throw new RangeError(`a key of ${secret.length} bytes is too long`);
    for (const [index, byte] of secret.entries()) {
      this.inner[index] = 0x36 ^ byte;
      this.outer[index] = 0x5c ^ byte;
    }
  }

  /** The code of these bytes: 32 bytes, each as one character. */
  mac(bytes: Buffer): string {
    const length = block + bytes.length;
    const first = length > usualLength ? Buffer.allocUnsafe(length) : scratch;
    this.inner.copy(first);
    bytes.copy(first, block);
    this.outer.copy(last);
    last.write(hash('sha256', first.subarray(0, length), 'binary'), block, 'binary');
    return hash('sha256', last, 'binary');
  }
}

const scratch = Buffer.alloc(usualLength);
const last = Buffer.alloc(block + 32);

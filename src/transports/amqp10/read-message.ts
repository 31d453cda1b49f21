import { readId } from './read-id.ts';
import { Cursor, list, map } from './read-values.ts';

/** What the conductor wants to know of a message. */
export interface DecodedMessage {
  /** Empty where the message has no body. */
  body: Buffer;
  messageId: string | undefined;
  userId: Buffer | undefined;
  replyTo: string | undefined;
  correlationId: string | undefined;
  /** Milliseconds. */
  ttl: number | undefined;
  /** Milliseconds since the epoch. */
  absoluteExpiryTime: number | undefined;
  redelivered: boolean;
  /** The application property `compression`, as kombu names how it has compressed the body. */
  compression: string | undefined;
}

/** Section codes (AMQP 1.0, section 3.2). */
const header = 0x70;
const properties = 0x73;
const applicationProperties = 0x74;
const data = 0x75;
const sequence = 0x76;
const value = 0x77;

/**
 * Decodes a message (AMQP 1.0, section 3.2) as far as it is needed: what is not needed is skipped by its size. The client library
 * would decode everything, keep no types of ids, and end the connection over a message that it cannot read, which would come again
 * with the next one; here a message that cannot be read harms only itself.
 *
 * The body is the bytes of the data sections, or of a value that is a string or binary. Anything else is handed on as it is
 * encoded: that begins with a zero byte, is no JSON for any codec, and so becomes a dead letter with its bytes. The same goes for a
 * message that breaks off or whose encoding is wrong, as a whole. Sections count in any order. Two sections of properties say two
 * things of the sender, of which the broker has checked one: such a message goes on as a whole too, and from nobody.
 *
 * @param start where the message begins among the bytes; it ends before `end`.
 */
export function decodeMessage(bytes: Buffer, start = 0, end = bytes.length): DecodedMessage {
  const decoded = unread();
  try {
    const body = readSections(bytes, start, end, decoded);
    if (body !== undefined) {
      decoded.body = body;
      return decoded;
    }
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    decoded.body = bytes.subarray(start, end);
    return decoded;
  }
  return { ...unread(), body: bytes.subarray(start, end) };
}

const nothing = Buffer.alloc(0);

/** A message of which nothing is known. */
function unread(): DecodedMessage {
  return {
    body: nothing,
    messageId: undefined,
    userId: undefined,
    replyTo: undefined,
    correlationId: undefined,
    ttl: undefined,
    absoluteExpiryTime: undefined,
    redelivered: false,
    compression: undefined,
  };
}

/**
 * Returns the body; undefined where two sections say who has sent it. Throws RangeError where the encoding leads out of the message
 * or makes no sense.
 */
function readSections(
  message: Buffer,
  start: number,
  end: number,
  decoded: DecodedMessage,
): Buffer | undefined {
  const parts: Buffer[] = [];
  let encodedFrom = -1;
  let encodedTo = -1;
  let hasHeader = false;
  let hasProperties = false;
  const cursor = new Cursor(message, start, end);
  while (cursor.next < end) {
    const begin = cursor.next;
    const section = cursor.readSection();
    if (section === header) {
      // The broker's own stands in front.
      if (!hasHeader) readHeader(cursor, decoded);
      hasHeader = true;
    } else if (section === properties) {
      if (hasProperties) return undefined;
      hasProperties = true;
      readProperties(message, cursor, decoded);
    } else if (section === applicationProperties) readCompression(message, cursor, decoded);
    else if ((section === data || section === value) && isBytes(cursor.code)) {
      parts.push(message.subarray(cursor.start, cursor.end));
    } else if (isBody(section) && cursor.code !== nullCode) {
      if (encodedFrom === -1) encodedFrom = begin;
      encodedTo = cursor.end;
    }
    cursor.next = cursor.end;
  }
  if (encodedFrom !== -1) return message.subarray(encodedFrom, encodedTo);
  const [only] = parts;
  return parts.length === 1 && only !== undefined ? only : Buffer.concat(parts);
}

function isBody(section: number): boolean {
  return section === data || section === sequence || section === value;
}

/** Binary and string; a symbol is neither. */
function isBytes(code: number): boolean {
  return isBinary(code) || isString(code);
}

function isBinary(code: number): boolean {
  return code === 0xa0 || code === 0xb0;
}

function isString(code: number): boolean {
  return code === 0xa1 || code === 0xb1;
}

/** Section 3.2.1: durable, priority, ttl, first-acquirer, delivery-count. */
function readHeader(section: Cursor, decoded: DecodedMessage): void {
  const field = section.items(list);
  for (let index = 0; index < 5 && field.readField(); index += 1) {
    if (index === 2) decoded.ttl = field.uint();
    // Its default is false as well, so only a broker that says so means it.
    else if (index === 3 && field.isFalse()) decoded.redelivered = true;
    else if (index === 4 && (field.uint() ?? 0) > 0) decoded.redelivered = true;
  }
}

/** Section 3.2.4: message-id, user-id, to, subject, reply-to, correlation-id, two of content, absolute-expiry-time. */
function readProperties(message: Buffer, section: Cursor, decoded: DecodedMessage): void {
  const field = section.items(list);
  for (let index = 0; index < 9 && field.readField(); index += 1) {
    const { code, start, end } = field;
    if (code === nullCode) continue;
    if (index === 0) decoded.messageId = readId(message, code, start, end);
    else if (index === 1) decoded.userId = isBinary(code) ? message.subarray(start, end) : undefined;
    else if (index === 4 && isBytes(code)) decoded.replyTo = message.toString('utf8', start, end);
    else if (index === 5) decoded.correlationId = readId(message, code, start, end);
    else if (index === 8 && code === 0x83) decoded.absoluteExpiryTime = Number(message.readBigInt64BE(start));
  }
}

const compressionKey = 'compression';

/** Section 3.2.5: a map. Its size has been read; what makes no sense inside says nothing, and does no harm to the body. */
function readCompression(message: Buffer, section: Cursor, decoded: DecodedMessage): void {
  try {
    const item = section.items(map);
    while (item.readField()) {
      const found =
        isString(item.code) &&
        item.end - item.start === compressionKey.length &&
        message.toString('latin1', item.start, item.end) === compressionKey;
      if (!item.readField()) return;
      if (!found) continue;
      if (isString(item.code)) decoded.compression = message.toString('utf8', item.start, item.end);
      return;
    }
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
  }
}

const nullCode = 0x40;

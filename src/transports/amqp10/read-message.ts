import { readId } from './read-id.ts';
import { Cursor, list, map } from './read-values.ts';

/** The parts of a message that the conductor uses. */
export interface DecodedMessage {
  /** Empty if the message has no body. */
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
  /** The application property `compression`: kombu's name for the compression of the body. */
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
 * Decodes a message (AMQP 1.0, section 3.2). Unused parts are skipped by their size. The client library would decode everything, lose
 * the types of ids, and end the connection over a message that it cannot read. That message would come again with the next
 * connection. Here an unreadable message harms only itself.
 *
 * The body is the bytes of the data sections, or of a value that is a string or binary. Any other body is handed on in its encoded
 * form. That form begins with a zero byte, which no codec takes for JSON, so the message becomes a dead letter with its bytes. The
 * same holds for a whole message that breaks off or is wrongly encoded. Sections may come in any order. If there are two sections of
 * properties, the broker has checked the sender in one of them only. So that message is handed on whole too, without a sender.
 *
 * @param start the offset of the message's first byte; it ends before `end`.
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

/** A message without any known part. */
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
 * Returns the body; undefined if two sections name the sender. Throws RangeError if the encoding exceeds the message
 * or is invalid.
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
      // The broker's own section comes first.
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

/** Whether the value is binary or a string. A symbol is neither. */
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
    // The default is false, so it is true only if the broker says so.
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

/** Section 3.2.5: a map. Its size is known, so an invalid item inside is ignored and does not harm the body. */
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

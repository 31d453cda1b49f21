import { readId } from './message-id.ts';

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

/** Descriptors may be symbols as well. */
const symbolicSections: Readonly<Record<string, number>> = {
  'amqp:header:list': header,
  'amqp:delivery-annotations:map': 0x71,
  'amqp:message-annotations:map': 0x72,
  'amqp:properties:list': properties,
  'amqp:application-properties:map': applicationProperties,
  'amqp:data:binary': data,
  'amqp:amqp-sequence:list': sequence,
  'amqp:value:*': value,
  'amqp:amqp-value:*': value,
  'amqp:footer:map': 0x78,
};

/**
 * Decodes a message (AMQP 1.0, section 3.2) as far as it is needed: what is not needed is skipped by its size. The client library
 * would decode everything, keep no types of ids, and end the connection over a message that it cannot read, which would come again
 * with the next one; here a message that cannot be read harms only itself.
 *
 * The body is the bytes of the data sections, or of a value that is a string or binary. Anything else is handed on as it is
 * encoded: that begins with a zero byte, is no JSON for any codec, and so becomes a dead letter with its bytes. The same goes for a
 * message that breaks off or whose encoding is wrong, as a whole. Sections count in any order. Two sections of properties say two
 * things of the sender, of which the broker has checked one: such a message goes on as a whole too, and from nobody.
 */
export function decodeMessage(message: Buffer): DecodedMessage {
  const decoded = unread(message);
  try {
    const body = readSections(message, decoded);
    if (body === undefined) return unread(message);
    decoded.body = body;
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
  }
  return decoded;
}

/** A message of which nothing is known. */
function unread(message: Buffer): DecodedMessage {
  return {
    body: message,
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
function readSections(message: Buffer, decoded: DecodedMessage): Buffer | undefined {
  const parts: Buffer[] = [];
  let encodedFrom = -1;
  let encodedTo = -1;
  let hasHeader = false;
  let hasProperties = false;
  const cursor = new Cursor(message);
  while (cursor.next < message.length) {
    const begin = cursor.next;
    const section = cursor.readSection();
    if (section === header) {
      // The broker's own stands in front.
      if (!hasHeader) readHeader(message, cursor, decoded);
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
function readHeader(message: Buffer, section: Cursor, decoded: DecodedMessage): void {
  const field = section.items(list);
  for (let index = 0; index < 5 && field.readField(); index += 1) {
    if (index === 2) decoded.ttl = readUint(message, field);
    // Its default is false as well, so only a broker that says so means it.
    else if (index === 3 && isFalse(message, field)) decoded.redelivered = true;
    else if (index === 4 && (readUint(message, field) ?? 0) > 0) decoded.redelivered = true;
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
/** Codes of the forms with a size of one byte; those with four are 0x10 above them. */
const list = 0xc0;
const map = 0xc1;

function isFalse(message: Buffer, { code, start }: Cursor): boolean {
  return code === 0x42 || (code === 0x56 && message[start] === 0);
}

function readUint(message: Buffer, { code, start }: Cursor): number | undefined {
  if (code === 0x43) return 0;
  if (code === 0x52) return message.readUInt8(start);
  return code === 0x70 ? message.readUInt32BE(start) : undefined;
}

/** Bytes of a value of a fixed width, by the upper half of its code (AMQP 1.0, section 1.2). */
const fixedWidths = [0, 1, 2, 4, 8, 16];
/** Values described by values described by values: more than this means nothing to anybody. */
const deepest = 8;

/** Goes over encoded values, one after the other. After a read, `code` is the value's type and `start` to `end` its bytes. */
class Cursor {
  private readonly message: Buffer;
  private readonly limit: number;
  private left: number;
  next: number;
  code = 0;
  start = 0;
  end = 0;

  constructor(message: Buffer, next = 0, limit = message.length, left = 0) {
    this.message = message;
    this.next = next;
    this.limit = limit;
    this.left = left;
  }

  /** Reads a described value and returns the section that its descriptor names; 0 for one that is not known. */
  readSection(): number {
    const { message, next } = this;
    // The usual form of a descriptor: a small number.
    if (message[next] === 0 && message[next + 1] === 0x53) {
      const section = message[next + 2] ?? 0;
      this.read(next + 3, 0);
      return section;
    }
    if (message[next] !== 0) throw new RangeError('not a section');
    this.read(next + 1, 0);
    const { code, start, end } = this;
    const symbolic = code === 0xa3 || code === 0xb3;
    const section = symbolic
      ? (symbolicSections[message.toString('latin1', start, end)] ?? 0)
      : code === 0x80
        ? Number(message.readBigUInt64BE(start))
        : 0;
    this.read(end, 0);
    return section;
  }

  /** The items of the list or map that was read last; none if it is something else. */
  items(kind: typeof list | typeof map): Cursor {
    const { message, code, start, end } = this;
    if (code === kind) return new Cursor(message, start + 1, end, message.readUInt8(start));
    if (code === kind + 0x10) return new Cursor(message, start + 4, end, message.readUInt32BE(start));
    return new Cursor(message, end, end, 0);
  }

  /** Reads the next item of a list or map; false if there is none. */
  readField(): boolean {
    if (this.left === 0) return false;
    this.left -= 1;
    this.read(this.next, 0);
    this.next = this.end;
    return true;
  }

  private read(at: number, depth: number): void {
    if (at >= this.limit || depth > deepest) throw new RangeError('the message breaks off');
    const code = this.message[at] ?? 0;
    if (code === 0) {
      this.read(at + 1, depth + 1);
      this.read(this.end, depth + 1);
      return;
    }
    const kind = code >>> 4;
    let start = at + 1;
    let size = fixedWidths[kind - 4];
    if (size === undefined) {
      // Sizes of one byte stand before even kinds, of four before odd ones.
      if (kind < 0xa) throw new RangeError('no such type');
      const wide = (kind & 1) === 1;
      size = wide ? this.message.readUInt32BE(start) : this.message.readUInt8(start);
      start += wide ? 4 : 1;
    }
    this.code = code;
    this.start = start;
    this.end = start + size;
    if (this.end > this.limit) throw new RangeError('the message breaks off');
  }
}

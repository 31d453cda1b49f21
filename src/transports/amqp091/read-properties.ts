/**
 * One message, read from its frames. A reader has one such object and fills it anew for each message. So its user copies the values
 * that it keeps before it returns.
 */
export class Message {
  deliveryTag = 0;
  redelivered = false;
  /** Empty unless the reader was asked for it. */
  routingKey = '';
  body: Uint8Array = new Uint8Array(0);
  /** The time at which the bytes were read from the socket, in milliseconds of the monotonic clock. */
  receivedAt = 0;
  correlationId: string | undefined;
  replyTo: string | undefined;
  expiration: string | undefined;
  messageId: string | undefined;
  userId: string | undefined;
  /** The only header that we use. `read-trace.ts` reads further ones. */
  compression: string | undefined;
}

/** Bits of the flags, in the order of the properties. The other properties are short strings that we do not use. */
const bit = {
  contentType: 15,
  headers: 13,
  deliveryMode: 12,
  priority: 11,
  correlationId: 10,
  replyTo: 9,
  expiration: 8,
  messageId: 7,
  timestamp: 6,
  userId: 4,
  clusterId: 2,
} as const;

/** This bit says that another word of flags follows. */
const continued = 1;

/**
 * Reads the property flags of a message and the list after them (AMQP 0-9-1, section 4.2.6.1). It reads only the properties that we
 * use, and skips the others by their length. The library reads all of them, and ends the connection over an unknown header. If the
 * list is broken, the message keeps the properties before the break. Never throws.
 */
export function readProperties(message: Message, bytes: Buffer, start: number, end: number): void {
  message.correlationId = undefined;
  message.replyTo = undefined;
  message.expiration = undefined;
  message.messageId = undefined;
  message.userId = undefined;
  message.compression = undefined;
  if (start + 2 > end) return;
  const flags = bytes.readUInt16BE(start);
  let at = start + 2;
  for (let last = flags; (last & continued) !== 0; at += 2) {
    if (at + 2 > end) return;
    last = bytes.readUInt16BE(at);
  }
  for (let which: number = bit.contentType; which >= bit.clusterId; which -= 1) {
    if ((flags & (1 << which)) === 0) continue;
    let next: number;
    if (which === bit.headers) next = endOfLong(bytes, at, end);
    else if (which === bit.deliveryMode || which === bit.priority) next = at + 1;
    else if (which === bit.timestamp) next = at + 8;
    else next = at < end ? at + 1 + bytes.readUInt8(at) : beyond;
    if (next > end) return;
    if (which === bit.headers) message.compression = compressionIn(bytes, at + 4, next);
    else if (which === bit.messageId) message.messageId = text(bytes, at, next);
    else if (which === bit.correlationId) message.correlationId = text(bytes, at, next);
    else if (which === bit.replyTo) message.replyTo = text(bytes, at, next);
    else if (which === bit.expiration) message.expiration = text(bytes, at, next);
    else if (which === bit.userId) message.userId = text(bytes, at, next);
    at = next;
  }
}

/** An offset beyond the end of any frame. */
const beyond = Number.POSITIVE_INFINITY;

/** The short string whose length is at `start`. */
function text(bytes: Buffer, start: number, end: number): string {
  return bytes.toString('utf8', start + 1, end);
}

/** The offset after the value whose length is here, in four bytes. */
export function endOfLong(bytes: Buffer, at: number, end: number): number {
  return at + 4 > end ? beyond : at + 4 + bytes.readUInt32BE(at);
}

/** The header in which kombu names the compression of the body. */
const compressionHeader = 'compression';

/**
 * The header `compression` of a table, if it is a text; the last one, if there are several. Only names and lengths are read. So a
 * nested table costs nothing, however deep it is.
 */
function compressionIn(bytes: Buffer, start: number, end: number): string | undefined {
  let compression: string | undefined;
  let at = start;
  while (at < end) {
    const nameEnd = at + 1 + bytes.readUInt8(at);
    if (nameEnd >= end) break;
    const type = bytes.readUInt8(nameEnd);
    const value = nameEnd + 1;
    const next = endOfValue(bytes, type, value, end);
    if (next > end) break;
    const long = nameEnd - at - 1;
    if (long === compressionHeader.length && bytes.toString('latin1', at + 1, nameEnd) === compressionHeader)
      compression = type === longString ? bytes.toString('utf8', value + 4, next) : undefined;
    at = next;
  }
  return compression;
}

export const longString = 0x53;

/** The types of values that brokers and clients use (https://www.rabbitmq.com/amqp-0-9-1-errata.html, section 3). */
export function endOfValue(bytes: Buffer, type: number, at: number, end: number): number {
  switch (type) {
    case longString:
    case 0x41: // A, an array
    case 0x46: // F, a table
    case 0x78: // x, bytes
      return endOfLong(bytes, at, end);
    case 0x56: // V, nothing
      return at;
    case 0x74: // t, a boolean
    case 0x62: // b, 8 bits
    case 0x42: // B, without a sign
      return at + 1;
    case 0x73: // s, 16 bits
    case 0x75: // u, without a sign
      return at + 2;
    case 0x49: // I, 32 bits
    case 0x69: // i, without a sign
    case 0x66: // f, a float
      return at + 4;
    case 0x44: // D, a decimal
      return at + 5;
    case 0x6c: // l, 64 bits
    case 0x4c: // L, as py-amqp writes them
    case 0x64: // d, a double
    case 0x54: // T, a time
      return at + 8;
    default:
      return beyond;
  }
}

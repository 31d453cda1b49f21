import { EventEmitter } from 'node:events';
import { Readable } from 'node:stream';
import { readProperties } from './properties.ts';

/**
 * The one file that reaches into the library: it takes the place of the method by which a connection reads its next frame. Messages
 * are read by ourselves (see properties.ts), all other frames by the library. test/transports/amqp091-frames.test.ts names
 * the version that this was written for.
 */

/** Section 4.2.3: type, channel and size go before the payload, one octet follows. */
const beforePayload = 7;
const frameEnd = 0xce;
const type = { method: 1, header: 2, body: 3 } as const;
/** Class and method, as the first four bytes of a method's frame. */
const basicDeliver = (60 << 16) | 60;
/** What the library calls the frame with the properties of a message: by its class. */
const basic = 60;

/** What we use of the library's connection. */
interface Internals extends EventEmitter {
  readonly stream: Readable;
  /** Bytes that were read from the stream and belong to no frame yet. */
  rest: Buffer;
  readonly maxFrameSize: number;
  /** Whether something came since the library last looked, for the heartbeats. */
  recvSinceLastCheck: boolean;
  /** False: there is no whole frame yet. */
  recvFrame(): unknown;
}

/** The library's `ChannelModel`, whose types do not show what is inside. */
type Model = { readonly connection: object };

function isInternals(connection: object): connection is Internals {
  return (
    connection instanceof EventEmitter &&
    'stream' in connection &&
    connection.stream instanceof Readable &&
    'rest' in connection &&
    Buffer.isBuffer(connection.rest) &&
    'maxFrameSize' in connection &&
    typeof connection.maxFrameSize === 'number' &&
    'recvSinceLastCheck' in connection &&
    typeof connection.recvSinceLastCheck === 'boolean' &&
    'recvFrame' in connection &&
    typeof connection.recvFrame === 'function'
  );
}

function internalsOf({ connection }: Model): Internals {
  if (!isInternals(connection)) throw new Error('this version of amqplib has another inside: install 2.3.1');
  return connection;
}

/** From here on messages are read by ourselves. To be called before there is a channel. */
export function readMessagesOurselves(model: Model): void {
  const connection = internalsOf(model);
  const reader = new FrameReader(connection);
  connection.recvFrame = () => reader.next();
}

/** Ends a connection that no longer answers: the library cannot be asked to. */
export function letGo(model: Model): void {
  internalsOf(model).stream.destroy();
}

/** Tells of an error that a listener of the connection's own events throws. The library tells only its inner connection. */
export function onConnectionFault(model: Model, tell: (error: unknown) => void): void {
  internalsOf(model).on('handler-error', tell);
}

class FrameReader {
  private readonly connection: Internals;
  private readonly readByLibrary: (this: Pick<Internals, 'rest' | 'maxFrameSize'>) => unknown;
  private bytes: Buffer;
  private at = 0;
  /** The consumer tag of the last message, since most have the same. */
  private tagBytes: Buffer = Buffer.alloc(0);
  private tag = '';

  constructor(connection: Internals) {
    this.connection = connection;
    this.readByLibrary = connection.recvFrame;
    this.bytes = connection.rest;
    connection.rest = Buffer.alloc(0);
  }

  /** The next frame as the library wants it, or false. An error that it throws ends the connection. */
  next(): unknown {
    for (;;) {
      const { bytes, at } = this;
      const left = bytes.length - at;
      if (left > beforePayload) {
        const size = bytes.readUInt32BE(at + 3);
        const { maxFrameSize } = this.connection;
        if (maxFrameSize > 0 && size > maxFrameSize) throw new Error(`a frame of ${size} bytes is too large`);
        const end = at + beforePayload + size;
        if (end < bytes.length) {
          if (bytes.readUInt8(end) !== frameEnd) throw new Error('a frame does not end where it should');
          this.at = end + 1;
          return this.decode(at, end);
        }
      }
      const incoming: unknown = this.connection.stream.read();
      if (!Buffer.isBuffer(incoming)) return false;
      this.connection.recvSinceLastCheck = true;
      this.bytes = left === 0 ? incoming : Buffer.concat([bytes.subarray(at), incoming]);
      this.at = 0;
    }
  }

  private decode(start: number, end: number): unknown {
    const { bytes } = this;
    const payload = start + beforePayload;
    const channel = bytes.readUInt16BE(start + 1);
    switch (bytes.readUInt8(start)) {
      case type.body:
        return { channel, content: bytes.subarray(payload, end) };
      case type.header:
        return {
          id: basic,
          channel,
          size: readLong(bytes, payload + 4),
          fields: readProperties(bytes, payload + 12, end),
        };
      case type.method:
        if (bytes.readUInt32BE(payload) === basicDeliver)
          return { id: basicDeliver, channel, fields: this.readDeliver(payload + 4) };
    }
    const { maxFrameSize } = this.connection;
    return this.readByLibrary.call({ rest: bytes.subarray(start, end + 1), maxFrameSize });
  }

  private readDeliver(start: number): DeliverFields {
    const { bytes } = this;
    const tagEnd = start + 1 + bytes.readUInt8(start);
    if (bytes.compare(this.tagBytes, 0, this.tagBytes.length, start + 1, tagEnd) !== 0) {
      this.tagBytes = Buffer.from(bytes.subarray(start + 1, tagEnd));
      this.tag = this.tagBytes.toString('utf8');
    }
    return new DeliverFields(
      this.tag,
      readLong(bytes, tagEnd),
      (bytes.readUInt8(tagEnd + 8) & 1) !== 0,
      bytes,
      tagEnd + 9,
    );
  }
}

/** Exact up to 2^53, as the library's. */
function readLong(bytes: Buffer, at: number): number {
  return bytes.readUInt32BE(at) * 2 ** 32 + bytes.readUInt32BE(at + 4);
}

/** The names are read when they are asked for: few modes need them. They may hold any bytes. */
class DeliverFields {
  readonly consumerTag: string;
  readonly deliveryTag: number;
  readonly redelivered: boolean;
  private readonly bytes: Buffer;
  private readonly names: number;

  constructor(consumerTag: string, deliveryTag: number, redelivered: boolean, bytes: Buffer, names: number) {
    this.consumerTag = consumerTag;
    this.deliveryTag = deliveryTag;
    this.redelivered = redelivered;
    this.bytes = bytes;
    this.names = names;
  }

  get exchange(): string {
    return this.bytes.toString('utf8', this.names + 1, this.endOf(this.names));
  }

  get routingKey(): string {
    const start = this.endOf(this.names);
    return this.bytes.toString('utf8', start + 1, this.endOf(start));
  }

  private endOf(start: number): number {
    return start + 1 + this.bytes.readUInt8(start);
  }
}

import { Message, readProperties } from './read-properties.ts';

/** AMQP 0-9-1, section 4.2.3: type, channel and size precede the payload; one octet follows it. */
export const beforePayload = 7;
export const frameEnd = 0xce;
export const frameType = { method: 1, header: 2, body: 3 } as const;
/** Class and method: the first four bytes of a method frame's payload. */
export const method = { deliver: (60 << 16) | 60, ack: (60 << 16) | 80, nack: (60 << 16) | 120 } as const;
/** Class, weight and size precede a header's flags. */
export const beforeFlags = 12;

export interface FrameSource {
  /** Returns the next chunk of the connection; undefined if there is none now. */
  next(): Buffer | undefined;
  /** Reads a whole frame that belongs to no message. */
  readOther(frame: Buffer): unknown;
  /** Is called with an error that `receive` has thrown. */
  onFault(error: unknown): void;
}

export interface FrameReaderOptions {
  readonly channel: number;
  /** The largest payload of a frame, in bytes; 0: no bound. */
  readonly maxFrameSize: number;
  readonly withRoutingKey: boolean;
}

/** Reads the messages of one channel from the bytes of the connection. */
export class FrameReader {
  private readonly source: FrameSource;
  private readonly options: FrameReaderOptions;
  private readonly receive: (message: Message) => void;
  protected bytes: Buffer;
  private at = 0;
  /** The bytes after a frame that was cut. `bytes` is that frame then. */
  private following: Buffer | undefined;
  private readonly message = new Message();
  /** The kind of frame that comes next for the channel's message. */
  private expected: 'header' | 'body' | undefined;
  /** Missing bytes of the body; and the parts that have come, if it has several frames. */
  private missing = 0;
  private parts: Buffer[] = [];

  constructor(
    source: FrameSource,
    options: FrameReaderOptions,
    receive: (message: Message) => void,
    begun: Buffer,
  ) {
    this.source = source;
    this.options = options;
    this.receive = receive;
    this.bytes = begun;
  }

  /** The next frame that belongs to no message, decoded by the library; false if there is none. An error ends the connection. */
  next(): unknown {
    for (;;) {
      const { bytes, at } = this;
      if (bytes.length - at > beforePayload) {
        const end = at + beforePayload + this.sizeAt(at);
        if (end < bytes.length) {
          if (bytes.readUInt8(end) !== frameEnd) throw new Error('a frame does not end where it should');
          this.at = end + 1;
          if (bytes.readUInt16BE(at + 1) === this.options.channel && this.takes(at, end)) continue;
          return this.source.readOther(bytes.subarray(at, end + 1));
        }
      }
      if (!this.readOn()) return false;
    }
  }

  private sizeAt(at: number): number {
    const size = this.bytes.readUInt32BE(at + 3);
    const { maxFrameSize } = this.options;
    if (maxFrameSize > 0 && size > maxFrameSize) throw new Error(`a frame of ${size} bytes is too large`);
    return size;
  }

  /** Continues with the next chunk. If a frame was cut, only that frame is copied, not the bytes after it. */
  private readOn(): boolean {
    const incoming = this.following ?? this.readSource();
    if (incoming === undefined) return false;
    const cut = this.bytes.length - this.at;
    if (cut === 0) {
      this.bytes = incoming;
      this.following = undefined;
    } else {
      const whole = cut < beforePayload ? beforePayload : beforePayload + this.sizeAt(this.at) + 1;
      this.bytes = Buffer.concat([this.bytes.subarray(this.at), incoming.subarray(0, whole - cut)]);
      this.following = incoming.length > whole - cut ? incoming.subarray(whole - cut) : undefined;
    }
    this.at = 0;
    return true;
  }

  private readSource(): Buffer | undefined {
    const incoming = this.source.next();
    // One time for all messages of a chunk.
    if (incoming !== undefined) this.message.receivedAt = performance.now();
    return incoming;
  }

  /** Reads the frame if it belongs to a message, and returns whether it does. */
  private takes(start: number, end: number): boolean {
    const { bytes, expected } = this;
    const payload = start + beforePayload;
    switch (bytes.readUInt8(start)) {
      case frameType.method:
        if (end - payload < 4 || bytes.readUInt32BE(payload) !== method.deliver) return false;
        this.readDeliver(payload + 4, end);
        return true;
      case frameType.header:
        // Otherwise the broker returns a message that we have published (basic.return).
        if (expected !== 'header') return false;
        this.readHeader(payload, end);
        return true;
      case frameType.body:
        if (expected !== 'body') return false;
        this.readBody(payload, end);
        return true;
      default:
        return false;
    }
  }

  /** AMQP 0-9-1, section 1.8.3.12: consumer tag, delivery tag, redelivered, exchange, routing key. */
  private readDeliver(start: number, end: number): void {
    const { bytes, message } = this;
    const tag = start + 1 + bytes.readUInt8(start);
    message.deliveryTag = readLong(bytes, tag);
    message.redelivered = (bytes.readUInt8(tag + 8) & 1) !== 0;
    if (this.options.withRoutingKey) {
      const key = tag + 10 + bytes.readUInt8(tag + 9);
      message.routingKey = bytes.toString('utf8', key + 1, Math.min(end, key + 1 + bytes.readUInt8(key)));
    }
    this.expected = 'header';
  }

  protected readHeader(start: number, end: number): void {
    this.missing = readLong(this.bytes, start + 4);
    readProperties(this.message, this.bytes, start + beforeFlags, end);
    this.expected = 'body';
    // An empty body has no frames.
    if (this.missing === 0) this.deliver(Buffer.alloc(0));
  }

  private readBody(start: number, end: number): void {
    const { bytes, parts } = this;
    this.missing -= end - start;
    if (this.missing < 0) throw new Error('a message has more bytes than its header says');
    if (this.missing === 0 && parts.length === 0) {
      const body = new Uint8Array(bytes.buffer, bytes.byteOffset + start, end - start);
      // A view keeps its chunk in memory, 64 KiB at most, until its batch is done. A call may be held for long.
      this.deliver(this.message.replyTo === undefined ? body : Buffer.from(body));
      return;
    }
    parts.push(bytes.subarray(start, end));
    if (this.missing > 0) return;
    this.parts = [];
    this.deliver(Buffer.concat(parts));
  }

  private deliver(body: Uint8Array): void {
    this.expected = undefined;
    this.message.body = body;
    try {
      this.receive(this.message);
    } catch (error) {
      this.source.onFault(error);
    }
  }
}

/** Exact up to 2^53, like the library's. */
function readLong(bytes: Buffer, at: number): number {
  return bytes.readUInt32BE(at) * 2 ** 32 + bytes.readUInt32BE(at + 4);
}

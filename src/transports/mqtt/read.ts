import { NotConnected } from '../../core/errors.ts';
import type { PublishReader, Receive } from './read-publish.ts';

/** The type of a packet is in the upper four bits of its first byte (MQTT 5, section 2.1.2). */
const publishType = 3;

const nothing: Buffer = Buffer.alloc(0);

export interface PacketSink {
  readonly receive: Receive;
  /** Takes the bytes of packets that are no messages, in pieces of any length. */
  readonly pass: (bytes: Buffer) => void;
}

/** Reads the messages from the bytes of the connection, and passes on all other packets. */
export class PacketReader {
  private readonly sink: PacketSink;
  private readonly messages: PublishReader;
  private receivedAt = 0;
  /** The first bytes of a packet whose length is incomplete: four at most. */
  private begun = nothing;
  /** The part of a message that has come, and the number of missing bytes. */
  private parts: Buffer[] = [];
  private lacking = 0;
  /** Missing bytes of another packet. */
  private passing = 0;

  constructor(sink: PacketSink, messages: PublishReader) {
    this.sink = sink;
    this.messages = messages;
  }

  /** @throws NotConnected over bytes that are no packets, since nothing after them can be read. An exception of the receiver passes. */
  feed(chunk: Buffer): void {
    // One time for all messages of a chunk.
    this.receivedAt = performance.now();
    if (this.lacking > 0) {
      const end = Math.min(this.lacking, chunk.length);
      this.parts.push(chunk.subarray(0, end));
      this.lacking -= end;
      if (this.lacking > 0) return;
      const whole = Buffer.concat(this.parts);
      this.parts = [];
      this.read(whole, 0);
      this.read(chunk, end);
      return;
    }
    const { begun } = this;
    this.begun = nothing;
    this.read(
      begun.length === 0 ? chunk : Buffer.concat([begun, chunk]),
      this.passOn(chunk, 0, this.passing),
    );
  }

  private read(bytes: Buffer, start: number): void {
    let at = start;
    while (at < bytes.length) {
      const first = bytes[at] ?? 0;
      let next = at + 1;
      let length = 0;
      // MQTT 5, section 1.5.5: seven bits a byte, four bytes at most.
      for (let byte = 0x80; byte >= 0x80; next += 1) {
        if (next - at > 4) throw new NotConnected('the bytes are no packet of MQTT');
        if (next >= bytes.length) {
          this.begun = bytes.subarray(at);
          return;
        }
        byte = bytes[next] ?? 0;
        length |= (byte & 0x7f) << (7 * (next - at - 1));
      }
      const end = next + length;
      if (first >> 4 !== publishType) {
        at = this.passOn(bytes, at, end - at);
      } else if (end > bytes.length) {
        this.parts = [bytes.subarray(at)];
        this.lacking = end - bytes.length;
        return;
      } else {
        this.messages.read(bytes, next, end, this.receivedAt, first & 0xf, this.sink.receive);
        at = end;
      }
    }
  }

  /** @returns the offset of the next packet. */
  private passOn(bytes: Buffer, start: number, length: number): number {
    if (length === 0) return start;
    const end = Math.min(start + length, bytes.length);
    this.passing = start + length - end;
    this.sink.pass(bytes.subarray(start, end));
    return end;
  }
}

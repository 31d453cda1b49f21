import type { Connection, Receiver } from 'rhea';
import { aborted, isTransfer, more, readTransfer, settled, type Transfer } from './read-frame.ts';
import { type Counters, countersOf, onAttached, tapFrames } from './read-library.ts';

/** Bytes of a message in parts. The rest is dropped, so the message breaks off. RabbitMQ's own limit is 128 MiB. */
const maxAssembled = 128 * 1024 * 1024;

/** Receives the deliveries of a link. */
export interface Taker {
  /**
   * Takes an encoded message: the bytes from `start` to before `end`.
   *
   * @param id the number to settle it by; undefined if the broker has settled it already.
   */
  take(bytes: Buffer, start: number, end: number, id: number | undefined): void;
  /** The broker has aborted a delivery (AMQP 1.0, section 2.6.14). It has used credit, and there is nothing to settle. */
  aborted(): void;
}

/** A receiving link. */
interface Link {
  readonly channel: number;
  readonly handle: number;
  readonly counters: Counters;
  readonly taker: Taker;
  /** Undefined until the first one has come. */
  nextId: number | undefined;
  /** Whether a delivery has begun and not ended. */
  open: boolean;
  /** Of the open delivery. */
  settled: boolean;
  parts: Buffer[];
  size: number;
}

const uints = 2 ** 32;
/** Bytes of a frame's header, and so of the shortest frame (AMQP 1.0, section 2.3.1). */
const headerSize = 8;

/** Reads the deliveries of a connection. */
export class Deliveries {
  private readonly reads: () => boolean;
  private readonly limit: number;
  private readonly links: Link[] = [];
  private readonly transfer: Transfer = { id: undefined, handle: 0, flags: 0, payload: 0 };

  /**
   * Must be made in the turn in which the connection connects.
   *
   * @param reads whether transfers are still to be read.
   * @param limit bytes of a message in parts.
   */
  constructor(connection: Connection, reads: () => boolean, limit = maxAssembled) {
    this.reads = reads;
    this.limit = limit;
    tapFrames(connection, (bytes, readOthers) => this.read(bytes, readOthers));
  }

  /** Hands on the deliveries of a link. */
  receive(receiver: Receiver, taker: Taker): void {
    const counters = countersOf(receiver);
    onAttached(receiver, (channel, handle) => {
      const none = { nextId: undefined, open: false, settled: false, parts: [], size: 0 };
      this.links.push({ channel, handle, counters, taker, ...none });
    });
  }

  /** Reads whole frames and returns how many bytes they have. Throws if the broker breaks the protocol. */
  private read(bytes: Buffer, readOthers: (bytes: Buffer) => unknown): number {
    let at = 0;
    while (bytes.length - at >= headerSize) {
      const size = bytes.readUInt32BE(at);
      if (size < headerSize) throw new Error(`a frame of ${size} bytes`);
      const end = at + size;
      if (end > bytes.length) break;
      const start = at + (bytes[at + 4] ?? 0) * 4;
      if (start < at + headerSize || start > end) throw new Error('a frame whose data begins outside of it');
      // The library refuses frames that are not AMQP's.
      if (bytes[at + 5] === 0 && isTransfer(bytes, start, end)) {
        if (this.reads()) this.readTransfer(bytes, at, start, end);
      } else readOthers(bytes.subarray(at, end));
      at = end;
    }
    for (const { counters } of this.links) counters.openWindow();
    return at;
  }

  private readTransfer(bytes: Buffer, at: number, start: number, end: number): void {
    const { transfer } = this;
    readTransfer(bytes, start, end, transfer);
    const channel = bytes.readUInt16BE(at + 6);
    const link = this.linkOf(channel, transfer.handle);
    link.counters.transfer();
    if (!link.open) begin(link, transfer.id);
    else if (transfer.id !== undefined && transfer.id !== previous(link.nextId))
      throw new Error(`delivery ${previous(link.nextId)} is not complete, got ${transfer.id}`);
    if ((transfer.flags & settled) !== 0) link.settled = true;
    const isAborted = (transfer.flags & aborted) !== 0;
    if ((transfer.flags & more) !== 0 && !isAborted) {
      this.keep(link, bytes, transfer.payload, end);
      return;
    }
    link.open = false;
    link.counters.delivery();
    const { taker, parts } = link;
    if (isAborted) {
      forget(link);
      taker.aborted();
      return;
    }
    const id = link.settled ? undefined : previous(link.nextId);
    if (parts.length === 0) {
      taker.take(bytes, transfer.payload, end, id);
      return;
    }
    this.keep(link, bytes, transfer.payload, end);
    const whole = Buffer.concat(parts);
    forget(link);
    taker.take(whole, 0, whole.length, id);
  }

  /** Keeps a part: a view of its chunk. Empty parts are dropped, since a broker could send any number of them. */
  private keep(link: Link, bytes: Buffer, start: number, end: number): void {
    const size = Math.min(end - start, this.limit - link.size);
    if (size === 0) return;
    link.parts.push(bytes.subarray(start, start + size));
    link.size += size;
  }

  /** A connection has one link or very few. Each has a session of its own, so delivery numbers on it are consecutive. */
  private linkOf(channel: number, handle: number): Link {
    for (const link of this.links) if (link.handle === handle && link.channel === channel) return link;
    throw new Error(`a transfer on link ${handle} of channel ${channel}, which is not open`);
  }
}

function begin(link: Link, id: number | undefined): void {
  if (id === undefined) throw new Error('a delivery without a number');
  if (link.nextId !== undefined && id !== link.nextId)
    throw new Error(`a delivery out of sequence: expected ${link.nextId}, got ${id}`);
  // Numbers wrap around to 0 (AMQP 1.0, section 2.8.10).
  link.nextId = (id + 1) % uints;
  link.open = true;
  link.settled = false;
}

function previous(id: number | undefined): number {
  return ((id ?? 0) + uints - 1) % uints;
}

function forget(link: Link): void {
  link.parts = [];
  link.size = 0;
}

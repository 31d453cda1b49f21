import type { Connection, Receiver, Session } from 'rhea';
import { aborted, isTransfer, more, readTransfer, settled, type Transfer } from './read-frame.ts';

/**
 * The one file that reaches inside the client library, rhea 3.0: the library signs in, negotiates and keeps alive, and every frame but
 * transfers is its own. Transfers are read here, from the bytes of the socket, and dispositions of what has come are written here. The
 * library's counters of the session and the link are kept, so that the flow frames that it writes are right (AMQP 1.0, section 2.7.4).
 */

/** Bytes of a message that came in parts; the rest is dropped, so that it breaks off. RabbitMQ's own limit is 128 MiB. */
export const maxAssembled = 128 * 1024 * 1024;

/** What is told of the deliveries of a link. */
export interface Taker {
  /**
   * Takes a message as it is encoded, from `start` to before `end` of the bytes.
   *
   * @param id what it is settled by; undefined if the broker has settled it already.
   */
  take(bytes: Buffer, start: number, end: number, id: number | undefined): void;
  /** The broker has taken a delivery back before its end (AMQP 1.0, section 2.6.14). It has used credit, and there is nothing to settle. */
  aborted(): void;
}

/** What transfers are read for. */
interface Reading {
  /** Whether they are still wanted. */
  reads(): boolean;
  /** Writing has thrown: nothing more can be written on the connection. */
  failedToWrite(error: unknown): void;
}

/** What the library keeps of the incoming transfers of a session. */
interface Incoming {
  next_transfer_id: number;
  /** The first transfer that is beyond the window that the broker knows. */
  max_transfer_id: number;
  readonly window: number;
}

/** What the library keeps of the deliveries of a link. */
interface Counted {
  credit: number;
  delivery_count: number;
}

/** A link that deliveries come on. */
interface Link {
  readonly channel: number;
  readonly handle: number;
  readonly incoming: Incoming;
  readonly counted: Counted;
  readonly taker: Taker;
  /** Undefined until the first one has come. */
  nextId: number | undefined;
  /** Whether a delivery has begun, and has not ended. */
  open: boolean;
  /** Of the delivery that is open. */
  settled: boolean;
  parts: Buffer[];
  size: number;
}

const uints = 2 ** 32;
/** Bytes of a frame's header, the least that a frame has (AMQP 1.0, section 2.3.1). */
const headerSize = 8;

/** The deliveries that come on a connection. */
export class Deliveries {
  private readonly reading: Reading;
  private readonly links: Link[] = [];
  private readonly register: () => unknown;
  private readonly transfer: Transfer = { id: undefined, handle: 0, flags: 0, payload: 0 };

  /** To be made before the connection connects. */
  constructor(connection: Connection, reading: Reading) {
    this.reading = reading;
    this.register = methodOf(connection, '_register');
    // The library writes, and tells of what was settled, in a turn of its own, where nobody would catch what is thrown.
    const write = methodOf(connection, '_process');
    Reflect.set(connection, '_process', () => {
      try {
        write();
      } catch (error) {
        reading.failedToWrite(error);
      }
    });
    methodOf(connection, 'on_transfer');
    Reflect.set(connection, 'on_transfer', () => {
      throw new Error('a transfer frame whose descriptor is no number');
    });
  }

  /** Reads the socket's bytes before the library does. To be called in the turn in which the connection connects. */
  tap(connection: Connection): void {
    const transport = memberOf(connection, 'amqp_transport');
    const readOthers = methodOf(transport, 'read');
    const hasHeader = () => memberOrNothing(transport, 'header_received') !== undefined;
    let begun = false;
    Reflect.set(transport, 'read', (bytes: Buffer) => {
      begun ||= hasHeader();
      return begun ? this.read(bytes, readOthers) : readOthers(bytes);
    });
  }

  /** Hands on what comes on a link. */
  receive(receiver: Receiver, taker: Taker): void {
    const incoming = memberOf(receiver.session, 'incoming');
    if (!isIncoming(incoming)) throw changed('the counters of a session');
    if (!isCounted(receiver)) throw changed('the counters of a link');
    receiver.on('receiver_open', () => {
      const attach = memberOf(memberOf(receiver, 'remote'), 'attach');
      const first = memberOrNothing(attach, 'initial_delivery_count');
      // The library begins with 0, whatever the broker has said (AMQP 1.0, section 2.6.7).
      if (typeof first === 'number') receiver.delivery_count = first;
      this.links.push({
        channel: numberOf(memberOf(receiver.session, 'remote'), 'channel'),
        handle: numberOf(attach, 'handle'),
        incoming,
        counted: receiver,
        taker,
        nextId: undefined,
        open: false,
        settled: false,
        parts: [],
        size: 0,
      });
    });
  }

  /** Reads whole frames and returns how many bytes they have. Throws where the broker breaks the protocol. */
  private read(bytes: Buffer, readOthers: (bytes: Buffer) => unknown): number {
    let at = 0;
    while (bytes.length - at >= headerSize) {
      const size = bytes.readUInt32BE(at);
      if (size < headerSize) throw new Error(`a frame of ${size} bytes`);
      const end = at + size;
      if (end > bytes.length) break;
      const start = at + (bytes[at + 4] ?? 0) * 4;
      if (start < at + headerSize || start > end) throw new Error('a frame whose data begins outside of it');
      // Frames of another type than AMQP's are for the library to refuse.
      if (bytes[at + 5] === 0 && isTransfer(bytes, start, end)) {
        if (this.reading.reads()) this.readTransfer(bytes, at, start, end);
      } else readOthers(bytes.subarray(at, end));
      at = end;
    }
    this.openWindows();
    return at;
  }

  private readTransfer(bytes: Buffer, at: number, start: number, end: number): void {
    const { transfer } = this;
    readTransfer(bytes, start, end, transfer);
    const channel = bytes.readUInt16BE(at + 6);
    const link = this.linkOf(channel, transfer.handle);
    countTransfer(link.incoming);
    if (!link.open) begin(link, transfer.id);
    else if (transfer.id !== undefined && transfer.id !== previous(link.nextId))
      throw new Error(`delivery ${previous(link.nextId)} is not complete, got ${transfer.id}`);
    if ((transfer.flags & settled) !== 0) link.settled = true;
    const isAborted = (transfer.flags & aborted) !== 0;
    if ((transfer.flags & more) !== 0 && !isAborted) {
      keep(link, bytes, transfer.payload, end);
      return;
    }
    link.open = false;
    countDelivery(link.counted);
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
    keep(link, bytes, transfer.payload, end);
    const whole = Buffer.concat(parts);
    forget(link);
    taker.take(whole, 0, whole.length, id);
  }

  /** There is one, or very few. */
  private linkOf(channel: number, handle: number): Link {
    for (const link of this.links) if (link.handle === handle && link.channel === channel) return link;
    throw new Error(`a transfer on link ${handle} of channel ${channel}, which is not open`);
  }

  /** The library looks at its windows when it writes: transfers alone do not make it. */
  private openWindows(): void {
    for (const { incoming } of this.links)
      if (incoming.max_transfer_id - incoming.next_transfer_id < incoming.window / 2) this.register();
  }
}

/** The number that our own frames on a session bear. */
export function channelOf(session: Session): number {
  return numberOf(memberOf(session, 'local'), 'channel');
}

function begin(link: Link, id: number | undefined): void {
  if (id === undefined) throw new Error('a delivery without a number');
  if (link.nextId !== undefined && id !== link.nextId)
    throw new Error(`a delivery out of sequence: expected ${link.nextId}, got ${id}`);
  // Numbers begin anew behind the last one (AMQP 1.0, section 2.8.10).
  link.nextId = (id + 1) % uints;
  link.open = true;
  link.settled = false;
}

function previous(id: number | undefined): number {
  return ((id ?? 0) + uints - 1) % uints;
}

/** The parts are views of what was read. Empty ones are none, or a broker could send any number of them. */
function keep(link: Link, bytes: Buffer, start: number, end: number): void {
  const size = Math.min(end - start, maxAssembled - link.size);
  if (size === 0) return;
  link.parts.push(bytes.subarray(start, start + size));
  link.size += size;
}

function forget(link: Link): void {
  link.parts = [];
  link.size = 0;
}

/** The library never lets its numbers begin anew; it compares the two. */
function countTransfer(incoming: Incoming): void {
  incoming.next_transfer_id += 1;
  if (incoming.next_transfer_id < uints) return;
  incoming.next_transfer_id -= uints;
  incoming.max_transfer_id -= uints;
}

/** Credit was taken back where there is none. */
function countDelivery(counted: Counted): void {
  counted.delivery_count = (counted.delivery_count + 1) % uints;
  if (counted.credit > 0) counted.credit -= 1;
}

function isIncoming(value: object): value is Incoming {
  return ['next_transfer_id', 'max_transfer_id', 'window'].every(
    (name) => typeof Reflect.get(value, name) === 'number',
  );
}

function isCounted<Value extends object>(value: Value): value is Value & Counted {
  return ['credit', 'delivery_count'].every((name) => typeof Reflect.get(value, name) === 'number');
}

function changed(what: string): TypeError {
  return new TypeError(
    `rhea has ${what} in another form: this version of it is not the one that read.ts reaches into`,
  );
}

function methodOf(object: object, name: string): (...given: unknown[]) => unknown {
  const method: unknown = Reflect.get(object, name);
  if (typeof method !== 'function') throw changed(`the method ${name}`);
  return (...given) => Reflect.apply(method, object, given);
}

function memberOf(object: object, name: string): object {
  const member: unknown = Reflect.get(object, name);
  if (typeof member !== 'object' || member === null) throw changed(name);
  return member;
}

function memberOrNothing(object: object, name: string): unknown {
  return Reflect.get(object, name);
}

function numberOf(object: object, name: string): number {
  const number: unknown = Reflect.get(object, name);
  if (typeof number !== 'number') throw changed(name);
  return number;
}

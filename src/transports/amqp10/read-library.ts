import type { Connection, Receiver, Session } from 'rhea';

/**
 * The one file that reaches inside the client library, rhea 3.0. The library signs in, negotiates, keeps alive and handles every frame
 * except transfers. Our own reader takes those from the bytes of the socket (read.ts). This file keeps the library's counters of
 * session and link, so that the library's flow frames are right (AMQP 1.0, section 2.7.4).
 */

/** The library's record of the incoming transfers of a session. */
interface Incoming {
  next_transfer_id: number;
  /** The first transfer beyond the window that the broker knows. */
  max_transfer_id: number;
  readonly window: number;
}

/** The library's record of the deliveries of a link. */
interface Counted {
  credit: number;
  delivery_count: number;
}

const uints = 2 ** 32;

/**
 * Catches errors of the library's writes, which it makes in a turn of their own. Drops writes to a closed socket: they would start the
 * heartbeat's timers again, and those would keep the process alive. Call it before the connection connects.
 */
export function guardWriting(
  connection: Connection,
  { gone, failed }: { gone(): boolean; failed(error: unknown): void },
): void {
  const write = methodOf(connection, '_process');
  Reflect.set(connection, '_process', () => {
    if (gone()) return;
    try {
      write();
    } catch (error) {
      failed(error);
    }
  });
}

/**
 * Reads the socket's bytes before the library does. Call it in the turn in which the connection connects.
 *
 * @param read reads whole frames, passes frames that are no transfers to the library, and returns how many bytes it has read.
 */
export function tapFrames(
  connection: Connection,
  read: (bytes: Buffer, readOthers: (bytes: Buffer) => unknown) => number,
): void {
  const transport = memberOf(connection, 'amqp_transport');
  const readOthers = methodOf(transport, 'read');
  let begun = false;
  Reflect.set(transport, 'read', (bytes: Buffer) => {
    // The protocol header comes first; it is no frame (AMQP 1.0, section 2.2).
    begun ||= Reflect.get(transport, 'header_received') !== undefined;
    return begun ? read(bytes, readOthers) : readOthers(bytes);
  });
  methodOf(connection, 'on_transfer');
  Reflect.set(connection, 'on_transfer', () => {
    throw new Error('a transfer frame whose descriptor is no number');
  });
}

/** Calls back with the broker's numbers of session and link, once the broker has attached the link. */
export function onAttached(receiver: Receiver, attached: (channel: number, handle: number) => void): void {
  receiver.on('receiver_open', () => {
    const attach = memberOf(memberOf(receiver, 'remote'), 'attach');
    const first: unknown = Reflect.get(attach, 'initial_delivery_count');
    // The library starts at 0, whatever number the broker has sent (AMQP 1.0, section 2.6.7).
    if (typeof first === 'number') Reflect.set(receiver, 'delivery_count', first);
    attached(numberOf(memberOf(receiver.session, 'remote'), 'channel'), numberOf(attach, 'handle'));
  });
}

/** The channel number of our own frames on a session. */
export function channelOf(session: Session): number {
  return numberOf(memberOf(session, 'local'), 'channel');
}

/** The library's counters: deliveries of a link, and transfers of its session. */
export interface Counters {
  /** Counts a transfer frame. */
  transfer(): void;
  /** Counts the end of a delivery. */
  delivery(): void;
  /** Makes the library look at the session's window. It does so only when it writes, and transfers do not make it write. */
  openWindow(): void;
}

/** Throws TypeError if the library counts in another way. */
export function countersOf(receiver: Receiver): Counters {
  const incoming = memberOf(receiver.session, 'incoming');
  if (!isIncoming(incoming)) throw changed('the counters of a session');
  if (!isCounted(receiver)) throw changed('the counters of a link');
  const register = methodOf(receiver.connection, '_register');
  return {
    transfer: () => {
      incoming.next_transfer_id += 1;
      if (incoming.next_transfer_id < uints) return;
      // The library compares the two numbers, and never wraps them around.
      incoming.next_transfer_id -= uints;
      incoming.max_transfer_id -= uints;
    },
    delivery: () => {
      receiver.delivery_count = (receiver.delivery_count + 1) % uints;
      // Deliveries that were under way when the credit was taken back have none.
      if (receiver.credit > 0) receiver.credit -= 1;
    },
    openWindow: () => {
      if (incoming.max_transfer_id - incoming.next_transfer_id < incoming.window / 2) register();
    },
  };
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
    `rhea has ${what} in another form: this version of it is not the one that read-library.ts reaches into`,
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

function numberOf(object: object, name: string): number {
  const number: unknown = Reflect.get(object, name);
  if (typeof number !== 'number') throw changed(name);
  return number;
}

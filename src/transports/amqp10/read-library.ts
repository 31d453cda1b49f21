import type { Connection, Receiver, Session } from 'rhea';

/**
 * The one file that reaches inside the client library, rhea 3.0. The library signs in, negotiates and keeps alive, and every frame but
 * transfers is its own. Transfers are read by us, from the bytes of the socket (read.ts). The library's counters of the session and the
 * link are kept here, so that the flow frames that it writes are right (AMQP 1.0, section 2.7.4).
 */

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

const uints = 2 ** 32;

/**
 * Catches errors of the library's writing, which it does in a turn of its own. Nothing is written to a socket that has gone: that would
 * start the timers of the heartbeat again, and they would hold the process. To be called before the connection connects.
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
 * Reads the socket's bytes before the library does. To be called in the turn in which the connection connects.
 *
 * @param read reads whole frames, has others read by the library, and returns how many bytes it has read.
 */
export function tapFrames(
  connection: Connection,
  read: (bytes: Buffer, readOthers: (bytes: Buffer) => unknown) => number,
): void {
  const transport = memberOf(connection, 'amqp_transport');
  const readOthers = methodOf(transport, 'read');
  let begun = false;
  Reflect.set(transport, 'read', (bytes: Buffer) => {
    // The protocol's header comes first, which is no frame (AMQP 1.0, section 2.2).
    begun ||= Reflect.get(transport, 'header_received') !== undefined;
    return begun ? read(bytes, readOthers) : readOthers(bytes);
  });
  methodOf(connection, 'on_transfer');
  Reflect.set(connection, 'on_transfer', () => {
    throw new Error('a transfer frame whose descriptor is no number');
  });
}

/** Calls back with the broker's numbers of session and link, once it has attached us. */
export function onAttached(receiver: Receiver, attached: (channel: number, handle: number) => void): void {
  receiver.on('receiver_open', () => {
    const attach = memberOf(memberOf(receiver, 'remote'), 'attach');
    const first: unknown = Reflect.get(attach, 'initial_delivery_count');
    // The library begins with 0, whatever the broker has said (AMQP 1.0, section 2.6.7).
    if (typeof first === 'number') Reflect.set(receiver, 'delivery_count', first);
    attached(numberOf(memberOf(receiver.session, 'remote'), 'channel'), numberOf(attach, 'handle'));
  });
}

/** The number that our own frames on a session bear. */
export function channelOf(session: Session): number {
  return numberOf(memberOf(session, 'local'), 'channel');
}

/** What the library counts of the deliveries of a link, and of the transfers of its session. */
export interface Counters {
  /** A transfer frame has come. */
  transfer(): void;
  /** A delivery has ended. */
  delivery(): void;
  /** The library looks at the session's window when it writes: transfers alone do not make it. */
  openWindow(): void;
}

/** Throws TypeError where the library counts in another way. */
export function countersOf(receiver: Receiver): Counters {
  const incoming = memberOf(receiver.session, 'incoming');
  if (!isIncoming(incoming)) throw changed('the counters of a session');
  if (!isCounted(receiver)) throw changed('the counters of a link');
  const register = methodOf(receiver.connection, '_register');
  return {
    transfer: () => {
      incoming.next_transfer_id += 1;
      if (incoming.next_transfer_id < uints) return;
      // The library never lets its numbers begin anew; it compares the two.
      incoming.next_transfer_id -= uints;
      incoming.max_transfer_id -= uints;
    },
    delivery: () => {
      receiver.delivery_count = (receiver.delivery_count + 1) % uints;
      // What was on its way when credit was taken back comes without.
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

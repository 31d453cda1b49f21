import type { Connection, EventContext, Receiver, Delivery as RheaDelivery } from 'rhea';

/**
 * Where we reach inside the client library. It hands each frame to a method of its connection, by name: the one for transfers and the
 * one that writes are wrapped here.
 */

/** Any format but 0, which is AMQP's own: what comes is handed on as bytes. */
const undecoded = 1;
const nothing = Buffer.alloc(0);
/** Behind it delivery numbers begin anew (AMQP 1.0, section 2.8.10); the library only counts on. */
const lastDeliveryId = 0xffff_ffff;

/** A transfer frame as the client library has read it (AMQP 1.0, section 2.7.5). */
interface TransferFrame {
  readonly performative: {
    message_format: number;
    delivery_tag: Buffer;
    more: boolean;
    readonly aborted: unknown;
  };
  payload: Buffer | undefined;
}

/** What transfers are read for. */
interface Reading {
  /** Whether they are still wanted. */
  reads(): boolean;
  /** Called before one is read. */
  before(): void;
  /** Reading one has thrown: nothing more can be read on the connection. */
  failed(error: unknown): void;
}

/**
 * Takes a message as it is encoded.
 *
 * @param handle what it is settled by; undefined if the peer has aborted the delivery, so that there is nothing to settle.
 */
export type Take = (message: Buffer, handle: RheaDelivery | undefined) => void;

/** The deliveries that come on a connection. */
export class Transfers {
  /** Of the frame that is being read. */
  private aborted = false;

  constructor(connection: Connection, reading: Reading) {
    const onTransfer = methodOf(connection, 'on_transfer');
    const register = methodOf(connection, '_register');
    Reflect.set(connection, 'on_transfer', (frame: TransferFrame) => {
      if (!reading.reads()) return;
      try {
        reading.before();
        this.prepare(frame);
        onTransfer(frame);
        // The library forgets what is settled and opens its window when it writes: a transfer alone does not make it.
        register();
      } catch (error) {
        reading.failed(error);
      }
    });
  }

  /**
   * Hands on what comes on a link. The library keeps track of deliveries in a ring that it empties from its head only, so that one
   * unsettled delivery would stop all behind it: each is marked as settled at once, which keeps the ring empty. Our settling it is
   * written all the same.
   */
  receive(receiver: Receiver, take: Take): void {
    receiver.on('message', ({ message, delivery }: EventContext) => {
      const bytes: unknown = message;
      if (delivery === undefined || !Buffer.isBuffer(bytes))
        throw new TypeError('rhea hands messages on in another form');
      Reflect.set(delivery, 'settled', true);
      if (delivery.id === lastDeliveryId) Reflect.set(incomingOf(receiver), 'next_delivery_id', 0);
      take(bytes, this.aborted ? undefined : delivery);
    });
  }

  /**
   * The library decodes a message only if its format is AMQP's own. It would keep the bytes of the whole frame for the delivery's
   * tag, which nothing uses. It reads no message without bytes, and hands on what was aborted (AMQP 1.0, section 2.6.14).
   */
  private prepare(frame: TransferFrame): void {
    const { performative } = frame;
    performative.message_format = undecoded;
    performative.delivery_tag = nothing;
    frame.payload ??= nothing;
    this.aborted = performative.aborted === true;
    if (this.aborted) performative.more = false;
  }
}

/**
 * The library writes, and tells of what was settled, in a turn of its own, where nobody would catch what is thrown. Writing to a
 * socket that has gone would start the timers of the heartbeat again, which then hold the process.
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

function methodOf(connection: Connection, name: string): (...given: unknown[]) => unknown {
  const method: unknown = Reflect.get(connection, name);
  if (typeof method !== 'function') throw new TypeError(`rhea has no ${name} any more`);
  return (...given) => Reflect.apply(method, connection, given);
}

function incomingOf({ session }: Receiver): object {
  const incoming: unknown = Reflect.get(session, 'incoming');
  if (typeof incoming !== 'object' || incoming === null) throw new TypeError('rhea has no incoming any more');
  return incoming;
}

import type { Msg, NatsConnection } from '@nats-io/transport-node';
import { settledBy } from '../../core/deadline.ts';
import { NotConnected } from '../../core/errors.ts';
import type {
  Deliver,
  Delivery,
  DeliveryMeta,
  Publication,
  Session,
  Settlement,
  Share,
} from '../../core/transport/contract.ts';
import type { ConsumerTerms } from './checks.ts';
import { sizeOf } from './inside.ts';
import { Connection } from './lifetime.ts';
import { deliveredAt, jetStreamMeta } from './meta.ts';
import type { NatsOptions } from './options.ts';
import { Puller } from './puller.ts';

/** What a message is answered with (ADR-15 of the NATS architecture): done, give it to somebody, still at work on it. */
const ack = new TextEncoder().encode('+ACK');
const nak = new TextEncoder().encode('-NAK');
const working = new TextEncoder().encode('+WPI');

/** Milliseconds until what is released amid consuming goes back: at once it would come right back to us. */
const releaseDelay = 1000;

/** Ticks at least this often, in milliseconds; six times within `ack_wait` else. */
const longestTick = 10_000;

class NatsDelivery implements Delivery {
  readonly session: Session;
  readonly message: Msg;
  readonly body: Uint8Array;
  readonly meta: DeliveryMeta;
  /** Of the whole message, which is kept with its headers. */
  readonly size: number;
  /** When the broker last heard that it is held, on the monotonic clock. */
  heldSince: number;

  constructor(session: Session, message: Msg, meta: DeliveryMeta) {
    this.session = session;
    this.message = message;
    this.body = message.data;
    this.size = sizeOf(message);
    this.meta = meta;
    this.heldSince = meta.receivedAt;
  }
}

/**
 * One connection that pulls from a durable consumer which replicas share.
 *
 * Acknowledgements are written one a message, since replicas cannot share a consumer that takes one for all up to a message;
 * the library gathers what is written in one turn of the event loop, so a batch goes out in a few writes. What is held for
 * long the broker is told of before `ack_wait`, so that only a replica that has gone, or stands still, loses its messages.
 */
export class NatsSession implements Session {
  readonly closed: Promise<Error | undefined>;
  private readonly connection: Connection;
  private readonly options: NatsOptions;
  private readonly terms: ConsumerTerms;
  private readonly share: Share;
  private readonly deliver: Deliver;
  private readonly puller: Puller;
  /** In the order in which the broker last heard of each. */
  private readonly held = new Set<NatsDelivery>();
  private heldBytes = 0;
  private released: NatsDelivery[] = [];
  private giveBack: NodeJS.Timeout | undefined;
  private readonly ticking: NodeJS.Timeout;
  /** Where the count of deliveries stands in what a message is acknowledged by. */
  private countAt: number | undefined;
  private paused = false;
  /** One was refused: nothing more is offered until we are resumed. */
  private refusing = false;

  constructor(
    connection: NatsConnection,
    options: NatsOptions,
    terms: ConsumerTerms,
    share: Share,
    deliver: Deliver,
  ) {
    this.options = options;
    this.terms = terms;
    this.share = share;
    this.deliver = deliver;
    this.connection = new Connection(connection, terms.subjects);
    this.closed = this.connection.closed;
    this.puller = new Puller({
      connection,
      options,
      terms,
      room: () => this.room(),
      receive: (message) => this.receive(message),
      fail: (error) => this.connection.fail(error),
    });
    this.ticking = setInterval(() => this.tick(), Math.min(terms.ackWait / 6, longestTick));
    void this.closed.then(() => {
      clearInterval(this.ticking);
      clearTimeout(this.giveBack);
    });
    this.puller.start();
  }

  settle(deliveries: ReadonlyArray<Delivery>, settlement: Settlement): void {
    if (!this.connection.open) return;
    for (const delivery of deliveries) {
      if (!(delivery instanceof NatsDelivery)) continue;
      if (settlement === 'release') this.released.push(delivery);
      else this.answer(delivery, ack);
    }
    if (settlement === 'done') this.puller.pull();
    else this.giveBackLater();
  }

  publish(publication: Publication): Promise<void> {
    return this.connection.publish(publication);
  }

  pause(): void {
    this.paused = true;
    // Does not reject.
    void this.puller.stop().then(() => this.returnReleased());
  }

  resume(): void {
    if (this.connection.stopping) return;
    this.paused = false;
    this.refusing = false;
    this.puller.start();
  }

  async drain(deadline: AbortSignal): Promise<void> {
    this.paused = true;
    await settledBy(Promise.race([this.puller.stop(), this.closed]), deadline);
  }

  async stop(deadline: AbortSignal): Promise<void> {
    this.connection.stopping = true;
    if (!this.connection.open) return;
    await this.drain(deadline);
    // At once: we are not there any more to get them back.
    for (const delivery of [...this.held]) this.answer(delivery, nak);
    await this.connection.close(deadline);
  }

  private room() {
    const messages = this.share.messages - this.held.size;
    return { messages, bytes: this.share.bytes - this.heldBytes, empty: this.held.size === 0 };
  }

  private receive(message: Msg): void {
    if (!this.connection.open) return;
    const reply = message.reply ?? '';
    this.countAt ??= deliveredAt(reply);
    const redelivered = !reply.startsWith('1.', this.countAt);
    const delivery = new NatsDelivery(this, message, jetStreamMeta(message, this.options, redelivered));
    // Before it is handed on, and so before it can be settled.
    this.held.add(delivery);
    this.heldBytes += delivery.size;
    if (!this.refusing && this.deliver(delivery)) return;
    this.refusing = true;
    this.released.push(delivery);
    // Given back once our pull has ended, or it would come right back to us.
    this.pause();
  }

  /** The last word on a message. */
  private answer(delivery: NatsDelivery, payload: Uint8Array): void {
    if (!this.held.delete(delivery)) return;
    this.heldBytes -= delivery.size;
    this.respond(delivery, payload);
  }

  private respond({ message }: NatsDelivery, payload: Uint8Array): void {
    try {
      message.respond(payload);
    } catch (error) {
      this.connection.fail(new NotConnected('cannot write to the broker', { cause: error }));
    }
  }

  private giveBackLater(): void {
    if (this.paused) void this.puller.stop().then(() => this.returnReleased());
    else this.giveBack ??= setTimeout(() => this.returnReleased(), releaseDelay);
  }

  private returnReleased(): void {
    clearTimeout(this.giveBack);
    this.giveBack = undefined;
    if (!this.connection.open) return;
    const { released } = this;
    this.released = [];
    for (const delivery of released) this.answer(delivery, nak);
    if (released.length > 0) this.puller.pull();
  }

  private tick(): void {
    const now = performance.now();
    for (const delivery of this.held) {
      // Half of the time is left for the broker to hear of it at the next tick.
      if (now - delivery.heldSince < this.terms.ackWait / 3) break;
      this.held.delete(delivery);
      delivery.heldSince = now;
      this.held.add(delivery);
      this.respond(delivery, working);
    }
    this.puller.tick();
  }
}

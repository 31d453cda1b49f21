import type { TransportSetup } from '../../core/config/transport-kind.ts';
import { settledBy } from '../../core/deadline.ts';
import type {
  Deliver,
  Delivery,
  Publication,
  Session,
  Settlement,
  Share,
  Stall,
} from '../../core/transport/contract.ts';
import type { Shortfall } from '../../core/transport/durability.ts';
import type { ConsumerTerms } from './losses.ts';
import type { NatsOptions } from './options.ts';
import type { Incoming } from './read.ts';
import { deliveredAt, isRedelivered, type MetaReader } from './read-headers.ts';
import type { Wire } from './read-library.ts';
import { createMetaReader } from './read-trace.ts';
import { Connection } from './session-connection.ts';
import { NatsDelivery, responses } from './session-delivery.ts';
import { Puller } from './session-puller.ts';
import { StallWatch } from './session-stall.ts';

/** The answers to a message (ADR-15 of the NATS architecture): done, deliver it again, still in progress. */
const [ack, nak, working] = ['', '-NAK', '+WPI'];

/** Milliseconds until a released message goes back while the session consumes. The server would return it to us at once. */
const releaseDelay = 1000;

/** Parts of `ack_wait` without a message after which the consumer is asked for its state. */
const stallAfter = 5;

/** The longest time between ticks, in milliseconds. Otherwise there are six within `ack_wait`. */
const longestTick = 10_000;

/**
 * One connection that pulls from a durable consumer, which replicas share.
 *
 * The session acknowledges each message singly, since replicas cannot share a consumer whose acknowledgements cover all earlier
 * messages. The acknowledgements of a batch are one write. An empty payload means done, and costs both sides least. The session tells the
 * broker before `ack_wait` about a message that it holds for long. So only a replica that has died or frozen loses its messages.
 */
export class NatsSession implements Session {
  readonly durability: ReadonlyArray<Shortfall>;
  readonly closed: Promise<Error | undefined>;
  private readonly connection: Connection;
  private readonly terms: ConsumerTerms;
  private readonly share: Share;
  private readonly deliver: Deliver;
  private readonly meta: MetaReader;
  private readonly puller: Puller;
  private readonly stallWatch: StallWatch;
  /** Since the last tick. */
  private hasReceived = false;
  /** In the order in which the broker last heard of them. */
  private readonly held = new Set<NatsDelivery>();
  private heldBytes = 0;
  private released: NatsDelivery[] = [];
  private giveBack: NodeJS.Timeout | undefined;
  private readonly ticking: NodeJS.Timeout;
  /** The offset of the delivery count in the subject of an acknowledgement. */
  private countAt: number | undefined;
  private paused = false;
  /** Whether a delivery was refused. Nothing more is offered until the session is resumed. */
  private refusing = false;

  constructor(
    wire: Wire,
    options: NatsOptions,
    terms: ConsumerTerms & { readonly durability: ReadonlyArray<Shortfall> },
    { share, readsTrace, logger }: Pick<TransportSetup, 'share' | 'readsTrace' | 'logger'>,
    deliver: Deliver,
  ) {
    this.durability = terms.durability;
    this.terms = terms;
    this.share = share;
    this.deliver = deliver;
    this.meta = createMetaReader(options, readsTrace);
    this.connection = new Connection(wire, terms.subjects, true);
    this.closed = this.connection.life.closed;
    this.puller = new Puller({
      connection: wire.connection,
      line: this.connection,
      options,
      terms,
      room: () => this.room(),
      receive: (message) => this.receive(message),
    });
    this.stallWatch = new StallWatch({
      after: stallAfter * terms.ackWait,
      ask: () => this.puller.state(),
      logger,
    });
    this.ticking = setInterval(() => this.tick(), Math.min(terms.ackWait / 6, longestTick));
    void this.closed.then(() => {
      clearInterval(this.ticking);
      clearTimeout(this.giveBack);
    });
    this.puller.start();
  }

  get stall(): Stall | undefined {
    return this.stallWatch.present;
  }

  settle(deliveries: ReadonlyArray<Delivery>, settlement: Settlement): void {
    if (!this.connection.life.open) return;
    const own = deliveries.filter((delivery) => delivery instanceof NatsDelivery);
    if (settlement === 'release') this.released.push(...own);
    else this.answer(own, ack);
    if (settlement === 'done') this.puller.pull();
    else this.giveBackLater();
  }

  publish(publication: Publication): Promise<void> {
    return this.connection.publish(publication);
  }

  pause(): void {
    this.paused = true;
    // It does not reject.
    void this.puller.stop().then(() => this.returnReleased());
  }

  resume(): void {
    if (this.connection.life.stopping) return;
    this.paused = false;
    this.refusing = false;
    this.puller.start();
  }

  async drain(deadline: AbortSignal): Promise<void> {
    this.paused = true;
    await settledBy(Promise.race([this.puller.stop(), this.closed]), deadline);
  }

  async stop(deadline: AbortSignal): Promise<void> {
    await this.connection.stop(deadline, async () => {
      await this.drain(deadline);
      // If the deadline has cut the draining short, more messages may come before the server knows that we have left the inbox.
      do {
        // At once: this connection cannot get them back any more.
        this.answer([...this.held], nak);
        await this.connection.flush();
      } while (this.held.size > 0);
    });
  }

  private room() {
    const messages = this.share.messages - this.held.size;
    return { messages, bytes: this.share.bytes - this.heldBytes, empty: this.held.size === 0 };
  }

  private receive(message: Incoming): void {
    if (!this.connection.life.open) return;
    this.hasReceived = true;
    this.countAt ??= deliveredAt(message);
    const meta = this.meta.read(message, isRedelivered(message, this.countAt));
    const delivery = new NatsDelivery(this, message, meta);
    // Counted before it is handed on, since it may be settled at once.
    this.held.add(delivery);
    this.heldBytes += delivery.size;
    if (!this.refusing && this.deliver(delivery)) return;
    this.refusing = true;
    this.released.push(delivery);
    // It goes back once our pull has ended. Otherwise the server would return it to us at once.
    this.pause();
  }

  /** Answers messages for good. */
  private answer(deliveries: ReadonlyArray<NatsDelivery>, payload: string): void {
    const open: NatsDelivery[] = [];
    for (const delivery of deliveries) {
      if (!this.held.delete(delivery)) continue;
      this.heldBytes -= delivery.size;
      open.push(delivery);
    }
    this.respond(open, payload);
  }

  private respond(deliveries: ReadonlyArray<NatsDelivery>, payload: string): void {
    if (deliveries.length > 0) this.connection.write(responses(deliveries, payload));
  }

  private giveBackLater(): void {
    if (this.paused) void this.puller.stop().then(() => this.returnReleased());
    else this.giveBack ??= setTimeout(() => this.returnReleased(), releaseDelay);
  }

  private returnReleased(): void {
    clearTimeout(this.giveBack);
    this.giveBack = undefined;
    if (!this.connection.life.open) return;
    const { released } = this;
    this.released = [];
    this.answer(released, nak);
    if (released.length > 0) this.puller.pull();
  }

  private tick(): void {
    const now = performance.now();
    const told: NatsDelivery[] = [];
    for (const delivery of this.held) {
      // The other half of the time is left until the next tick, for the broker to hear of it.
      if (now - delivery.heldSince < this.terms.ackWait / 3) break;
      this.held.delete(delivery);
      delivery.heldSince = now;
      this.held.add(delivery);
      told.push(delivery);
    }
    this.respond(told, working);
    this.puller.tick();
    this.stallWatch.tick({ hasReceived: this.hasReceived, isPulling: this.puller.isPulling });
    this.hasReceived = false;
  }
}

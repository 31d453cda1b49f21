import type { Receiver, Session as RheaSession } from 'rhea';
import { readsEvents } from '../../core/message/codecs/cloudevents-binary.ts';
import type {
  Deliver,
  Delivery,
  DeliveryMeta,
  Publication,
  Session,
  Settlement,
} from '../../core/transport/contract.ts';
import type { Shortfall } from '../../core/transport/durability.ts';
import { HeldDelivery } from '../../core/transport/held-delivery.ts';
import type { SessionLife } from '../../core/transport/session-life.ts';
import { SettlingOrder } from '../../core/transport/settling-order.ts';
import type { Amqp10Connection } from './connect.ts';
import { durabilityOf } from './durability.ts';
import type { Amqp10Options } from './options.ts';
import { Publisher } from './publish.ts';
import { readEvent } from './read-event.ts';
import { channelOf } from './read-library.ts';
import { type DecodedMessage, decodeMessage } from './read-message.ts';
import { Credit } from './session-credit.ts';
import { accepted, dispositions, released } from './session-settle.ts';
import { attach, queueAddress } from './topology.ts';

/** The session's window, in transfer frames for each delivery that may be unsettled. */
const buffersPerDelivery = 4;
/** The largest credit: RabbitMQ 3 makes a prefetch of it, which has two bytes. */
const maxBuffer = 65_535;

/**
 * Milliseconds that the broker has to answer a stop. RabbitMQ 3.10 under load sometimes never answers while it delivers. The broker
 * sends unsettled messages again after that.
 */
const stopPatience = 3000;

/** A delivery, settled by its number. Without a number, the broker has settled it already. */
class Amqp10Delivery extends HeldDelivery<number | undefined> {}

/**
 * One connection with one AMQP session and one receiving link.
 *
 * Batches finish out of order. The session accepts deliveries in their order where it can: one frame covers many, and RabbitMQ does not
 * search for each among the earlier ones.
 *
 * The broker gets credit as deliveries are settled. The session withholds a delivery that the inlet refuses, and gives it back once it
 * is resumed (`released`, which does not count as a failed delivery). The broker would deliver it again at once, as long as it has
 * credit, and RabbitMQ's quorum queues count deliveries.
 */
export class Amqp10Session implements Session {
  durability: ReadonlyArray<Shortfall> = [];
  private readonly life: SessionLife;
  private readonly connection: Amqp10Connection;
  private readonly session: RheaSession;
  private readonly receiver: Receiver;
  private readonly options: Amqp10Options;
  private readonly deliver: Deliver;
  private readonly credit: Credit;
  private readonly publisher: Publisher;
  private readonly order: SettlingOrder<Amqp10Delivery>;
  /** Deliveries that the inlet has refused, or that came while none was wanted. They are kept without their bodies. */
  private withheld: Array<number | undefined> = [];
  private draining = false;
  private readonly readsEvents: boolean;
  private readonly attached: Promise<string>;

  constructor(connection: Amqp10Connection, options: Amqp10Options, bound: number, deliver: Deliver) {
    this.connection = connection;
    this.life = connection.life;
    this.options = options;
    this.readsEvents = readsEvents(options);
    this.deliver = deliver;
    this.publisher = new Publisher(connection, options);
    this.order = new SettlingOrder(bound, (settled) => this.write(handlesOf(settled), 'done'));
    this.life.atEnd(() => this.order.stop());
    const address = queueAddress(connection.broker, options.address);
    // Replicas compete on a queue. The capability says so to a broker that has topics of the same names.
    const source = { address, capabilities: ['queue'] };
    const buffer = Math.min(bound * buffersPerDelivery, maxBuffer);
    const { session, receiver, attached } = attach(connection, `the link to ${address}`, source, buffer, {
      take: (bytes, start, end, id) => this.receive(bytes, start, end, id),
      aborted: () => {
        this.credit.received();
        this.credit.aborted();
      },
    });
    this.session = session;
    this.receiver = receiver;
    this.attached = attached;
    this.credit = new Credit(receiver, bound);
  }

  get closed(): Promise<Error | undefined> {
    return this.life.closed;
  }

  /** Starts consuming. Rejects if the broker refuses it. */
  async start(): Promise<void> {
    const address = await this.attached;
    this.durability = durabilityOf(address, this.receiver.source?.durable, this.connection.broker);
    this.credit.resume();
  }

  settle(deliveries: ReadonlyArray<Delivery>, settlement: Settlement): void {
    // While the session stops, its AMQP session is being ended. The broker then takes back the unsettled messages.
    if (!this.life.open || this.life.stopping) return;
    const own: Amqp10Delivery[] = [];
    for (const delivery of deliveries)
      if (delivery instanceof Amqp10Delivery && !delivery.settled) own.push(delivery);
    if (settlement === 'done') {
      this.order.settle(own);
      return;
    }
    this.order.remove(own);
    this.write(handlesOf(own), 'release');
  }

  publish(publication: Publication): Promise<void> {
    return this.publisher.publish(publication);
  }

  pause(): void {
    this.credit.pause();
  }

  resume(): void {
    if (this.draining || !this.life.open) return;
    this.release();
    this.credit.resume();
  }

  /** Takes the credit back. Deliveries under way are withheld; the broker gets them back when the session stops. */
  async drain(_deadline: AbortSignal): Promise<void> {
    this.draining = true;
    if (this.life.open) this.credit.pause();
  }

  async stop(deadline: AbortSignal): Promise<void> {
    this.draining = true;
    const patience = AbortSignal.any([deadline, AbortSignal.timeout(stopPatience)]);
    await this.connection.stop(patience, async () => {
      this.order.flush();
      this.release();
      // The AMQP session ends first: its end follows the dispositions, and the broker takes back unsettled messages.
      const ended = new Promise<void>((resolve) => {
        this.session.on('session_close', () => resolve());
      });
      this.session.close();
      await ended;
    });
  }

  protected receive(bytes: Buffer, start: number, end: number, id: number | undefined): void {
    this.credit.received();
    if (!this.draining && this.withheld.length === 0) {
      const decoded = decodeMessage(bytes, start, end);
      const event = this.readsEvents ? readEvent(bytes, start, end) : undefined;
      const meta = this.metaOf(decoded);
      const delivery = new Amqp10Delivery(
        this,
        decoded.body,
        event === undefined ? meta : { ...meta, event },
        id,
      );
      if (this.deliver(delivery)) {
        this.order.track(delivery);
        return;
      }
      this.credit.refused();
    }
    this.withheld.push(id);
  }

  protected metaOf(decoded: DecodedMessage): DeliveryMeta {
    const { messageId, replyTo, correlationId, compression, redelivered, userId } = decoded;
    const byUserId = this.options.auth.mode === 'user-id';
    const receivedAt = performance.now();
    return {
      messageId,
      replyTo,
      correlationId,
      deadline: deadlineOf(decoded, receivedAt),
      sender: byUserId ? userId?.toString() : undefined,
      senderProof: byUserId ? 'user-id' : undefined,
      compression,
      redelivered,
      receivedAt,
    };
  }

  private release(): void {
    const { withheld } = this;
    this.withheld = [];
    this.write(withheld, 'release');
  }

  private write(ids: ReadonlyArray<number | undefined>, settlement: Settlement): void {
    if (!this.life.open || ids.length === 0) return;
    const outcome = settlement === 'done' ? accepted : released;
    this.connection.write(dispositions(channelOf(this.session), ids, outcome));
    this.credit.settled(ids.length, settlement);
  }
}

function handlesOf(deliveries: ReadonlyArray<Amqp10Delivery>): Array<number | undefined> {
  return deliveries.map(({ handle }) => handle);
}

/** The time that is left of `ttl`, which the broker counts down, and until `absolute-expiry-time`, by our own clock. */
function deadlineOf({ ttl, absoluteExpiryTime }: DecodedMessage, receivedAt: number): number | undefined {
  if (ttl === undefined && absoluteExpiryTime === undefined) return undefined;
  const untilExpiry =
    absoluteExpiryTime === undefined ? Number.POSITIVE_INFINITY : absoluteExpiryTime - Date.now();
  return receivedAt + Math.min(ttl ?? Number.POSITIVE_INFINITY, untilExpiry);
}

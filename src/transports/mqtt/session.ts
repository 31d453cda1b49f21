import { settledBy } from '../../core/deadline.ts';
import { NotConnected } from '../../core/errors.ts';
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
import type { Connection } from './connect.ts';
import { durabilityOf } from './durability.ts';
import type { MqttOptions } from './options.ts';
import { Publisher } from './publish.ts';
import { Backlog } from './session-backlog.ts';
import { leavesNothing, subscribe } from './topology.ts';

/** A delivery, settled by its acknowledging packet; 0 for QoS 0, which is not acknowledged. */
class MqttDelivery extends HeldDelivery<number> {}

export interface SessionSetup {
  readonly options: MqttOptions;
  readonly subscription: string;
  /** How many messages may be in flight to the session. */
  readonly bound: number;
  readonly deliver: Deliver;
  /** Ends the session that the broker keeps, through a connection of its own. Resolves with whether it has. */
  readonly discard: (deadline: AbortSignal) => Promise<boolean>;
}

/**
 * One network connection of an MQTT session that the broker keeps.
 *
 * PUBACKs are written after the commit, one write a batch, in the order of the messages unless one of them takes long. MQTT cannot give
 * one message back. To give messages back, the connection ends and the session is kept.
 *
 * Brokers send more than they should. MQTT 3.1.1 has no bound, and Mosquitto 2.0.11 sends a whole receive maximum with each PUBACK
 * after it has resumed a session with a backlog.
 */
export class MqttSession implements Session {
  readonly durability: ReadonlyArray<Shortfall>;
  private readonly life: SessionLife;
  private readonly connection: Connection;
  private readonly setup: SessionSetup;
  private readonly publisher: Publisher;
  private readonly order: SettlingOrder<MqttDelivery>;
  /** Messages for which there was no room. */
  private readonly backlog: Backlog<MqttDelivery>;
  /** Messages that were settled while the session was paused. */
  private withheld: MqttDelivery[] = [];
  private readonly emptyWaiters: (() => void)[] = [];
  private paused = false;
  /** Whether the broker's session outlives the connection. */
  private keeps: boolean;
  private arrivals = 0;
  /** Whether messages are dropped: the backlog waited too long, or the session stops. They come again with the next connection. */
  private overflowed = false;
  private draining = false;
  /** Whether nobody sends to the session any more and the broker has nothing left for it. Only then may it end. */
  private knownEmpty = false;
  /** Whether the broker's session has ended. */
  leavesNothing = false;

  constructor(connection: Connection, setup: SessionSetup) {
    const { options, bound } = setup;
    this.durability = durabilityOf(connection.connack, options);
    this.connection = connection;
    this.setup = setup;
    this.life = connection.life;
    this.keeps = options.keepSession;
    this.publisher = new Publisher(connection);
    this.order = new SettlingOrder(bound, (deliveries) => this.acknowledge(deliveries), {
      overtakes: options.ackOrder === 'relaxed',
    });
    // A ping is due after one keepalive, its answer half a keepalive later.
    this.backlog = new Backlog(connection.tap, options.keepalive * 250, () => this.overflow());
    this.life.atEnd(() => {
      this.order.stop();
      this.backlog.stop();
      this.wake();
    });
  }

  get closed(): Promise<Error | undefined> {
    return this.life.closed;
  }

  /** Starts consuming. Listens before it subscribes: the broker sends the session's queue right after its CONNACK. */
  async start(): Promise<void> {
    this.listen();
    await subscribe(this.connection, this.setup.subscription);
  }

  /** Takes over the session of a replica that is gone: it only takes the messages that are there, and ends with `drain` and `stop`. */
  adopt(): void {
    this.keeps = false;
    this.listen();
  }

  private listen(): void {
    this.connection.tap.start((body, meta, ack, clears) => this.receive(body, meta, ack, clears));
  }

  settle(deliveries: ReadonlyArray<Delivery>, settlement: Settlement): void {
    // A released message stays unacknowledged. Then `stop` keeps the session, and the broker delivers the message again.
    if (!this.life.open || settlement === 'release') return;
    this.order.settle(deliveries.filter(isAcknowledged));
  }

  async publish(publication: Publication): Promise<void> {
    await this.publisher.publish(publication, this.setup.options);
  }

  /** Withholds the PUBACKs, so the broker's own limit stops the flow. Pings are still answered. */
  pause(): void {
    this.paused = true;
  }

  resume(): void {
    if (!this.life.open) return;
    this.goOn();
    this.backlog.offer(this.setup.deliver);
  }

  /**
   * A session that is kept keeps its queue too. A session that is to end must be emptied first: a broker hands the messages of a shared
   * subscription to sessions, not to connections. They would wait for a replica that may never come back.
   */
  async drain(deadline: AbortSignal, comesBack = false): Promise<void> {
    const { life } = this;
    if (!life.open) return;
    this.draining = true;
    this.keeps ||= comesBack;
    if (this.keeps) {
      this.overflow();
      return;
    }
    while (life.open && !deadline.aborted && !this.knownEmpty && !this.overflowed) {
      await settledBy(this.empty(), deadline);
      if (!(await this.askWhetherEmpty(deadline))) return;
    }
  }

  async stop(deadline: AbortSignal): Promise<void> {
    const { version } = this.setup.options;
    let hasEnded = false;
    await this.life.stop(deadline, async () => {
      const ends = await this.prepareToEnd(deadline);
      const properties = version === '5' && ends ? { properties: { sessionExpiryInterval: 0 } } : {};
      await this.connection.client.endAsync(false, { cmd: 'disconnect', ...properties });
      hasEnded = ends;
    });
    await this.closed;
    // 3.1.1 cannot end a session when it disconnects.
    if (hasEnded) this.leavesNothing = version === '5' || (await this.setup.discard(deadline));
  }

  /** Resolves with whether the broker's session may end. */
  private async prepareToEnd(deadline: AbortSignal): Promise<boolean> {
    this.goOn();
    this.order.flush();
    if (!this.keeps && !this.knownEmpty) await this.askWhetherEmpty(deadline);
    return this.knownEmpty && !this.holdsSomething;
  }

  private get holdsSomething(): boolean {
    return this.order.size > 0 || this.backlog.size > 0 || this.withheld.length > 0 || this.overflowed;
  }

  /** Whether the broker has answered, or the question has to wait for held messages. */
  private async askWhetherEmpty(deadline: AbortSignal): Promise<boolean> {
    if (this.holdsSomething) return true;
    const before = this.arrivals;
    const answered = await leavesNothing(this.connection, this.setup.subscription, deadline);
    this.knownEmpty = answered && this.life.open && before === this.arrivals && !this.holdsSomething;
    return answered;
  }

  private receive(body: Uint8Array, meta: DeliveryMeta, ack: number, clears: boolean): void {
    if (!this.life.open) return;
    this.arrivals += 1;
    if (this.overflowed) return;
    const delivery = new MqttDelivery(this, body, meta, ack);
    if (ack !== 0) this.order.track(delivery);
    // It is acknowledged in its turn, and not handed on.
    if (clears) this.settle([delivery], 'done');
    else if (this.backlog.size > 0 || !this.setup.deliver(delivery)) this.backlog.add(delivery);
  }

  private overflow(): void {
    this.overflowed = true;
    this.order.remove(this.backlog.takeAll());
    this.settledAll();
  }

  private acknowledge(deliveries: ReadonlyArray<MqttDelivery>): void {
    if (!this.life.open) return;
    if (this.paused) {
      this.withheld.push(...deliveries);
      return;
    }
    this.connection.tap.acknowledge(deliveries);
    this.settledAll();
  }

  private goOn(): void {
    this.paused = false;
    const { withheld } = this;
    this.withheld = [];
    this.acknowledge(withheld);
  }

  private settledAll(): void {
    if (this.order.size > 0 || this.withheld.length > 0) return;
    this.wake();
    // The broker sends dropped messages again once it sees a new connection.
    if (this.overflowed && !this.draining) {
      this.life.fail(
        new NotConnected(
          'the broker sent more than it was asked for; the rest comes with the next connection',
        ),
      );
    }
  }

  /** Resolves once all messages that have come are acknowledged, or cannot be any more. */
  private async empty(): Promise<void> {
    while (this.life.open && !this.overflowed && this.holdsSomething)
      await new Promise<void>((resolve) => this.emptyWaiters.push(resolve));
  }

  private wake(): void {
    for (const waiter of this.emptyWaiters.splice(0)) waiter();
  }
}

function isAcknowledged(delivery: Delivery): delivery is MqttDelivery {
  return delivery instanceof MqttDelivery && delivery.handle !== 0;
}

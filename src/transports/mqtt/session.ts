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
import { HeldDelivery } from '../../core/transport/held-delivery.ts';
import type { SessionLife } from '../../core/transport/session-life.ts';
import { SettlingOrder } from '../../core/transport/settling-order.ts';
import type { Connection } from './connect.ts';
import type { MqttOptions } from './options.ts';
import { Publisher } from './publish.ts';
import { Backlog } from './session-backlog.ts';
import { leavesNothing, subscribe } from './topology.ts';

/** Settled by the packet that acknowledges it; 0 for a message of QoS 0, which is not acknowledged. */
class MqttDelivery extends HeldDelivery<number> {}

export interface SessionSetup {
  readonly options: MqttOptions;
  readonly subscription: string;
  /** How many messages may be in flight to us. */
  readonly bound: number;
  readonly deliver: Deliver;
  /** Ends the session that the broker keeps, by a connection of its own. */
  readonly discard: (deadline: AbortSignal) => Promise<void>;
}

/**
 * One network connection of an MQTT session that the broker keeps.
 *
 * PUBACKs are written after the commit, for a whole batch at a time, in the order in which the messages came, unless one of them takes
 * long. MQTT has no way to give one message back: it is given back by ending the connection and keeping the session.
 *
 * Brokers send more than they were asked for: 3.1.1 has no word for a bound, and Mosquitto 2.0.11 lets a whole receive maximum
 * in with each PUBACK once a session with a backlog is resumed.
 */
export class MqttSession implements Session {
  private readonly life: SessionLife;
  private readonly connection: Connection;
  private readonly setup: SessionSetup;
  private readonly publisher: Publisher;
  private readonly order: SettlingOrder<MqttDelivery>;
  /** What did not fit. */
  private readonly backlog: Backlog<MqttDelivery>;
  /** What is settled while the session is paused. */
  private withheld: MqttDelivery[] = [];
  private readonly emptyWaiters: (() => void)[] = [];
  private paused = false;
  private arrivals = 0;
  /** What does not fit waited too long, or we are to stop: what comes is forgotten, and comes again with the next connection. */
  private overflowed = false;
  private draining = false;
  /** Nobody sends to the session any more, and the broker has nothing left for it. Only then may it end. */
  private knownEmpty = false;

  constructor(connection: Connection, setup: SessionSetup) {
    const { options, bound } = setup;
    this.connection = connection;
    this.setup = setup;
    this.life = connection.life;
    this.publisher = new Publisher(connection);
    this.order = new SettlingOrder(bound, (deliveries) => this.acknowledge(deliveries), {
      overtakes: options.ackOrder === 'relaxed',
    });
    // A ping is due after one keepalive, its answer half of one later.
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

  /** Starts consuming. Listens first: the broker sends what the session has queued right behind its CONNACK. */
  async start(): Promise<void> {
    this.connection.tap.start((body, meta, ack, clears) => this.receive(body, meta, ack, clears));
    await subscribe(this.connection, this.setup.subscription);
  }

  settle(deliveries: ReadonlyArray<Delivery>, settlement: Settlement): void {
    // What is released stays unacknowledged: stopping then keeps the session, and the broker delivers it again.
    if (!this.life.open || settlement === 'release') return;
    this.order.settle(deliveries.filter(isAcknowledged));
  }

  async publish(publication: Publication): Promise<void> {
    await this.publisher.publish(publication, this.setup.options);
  }

  /** Withholds the PUBACKs; the broker's own limit then stops the flow. Pings go on being answered. */
  pause(): void {
    this.paused = true;
  }

  resume(): void {
    if (!this.life.open) return;
    this.goOn();
    this.backlog.offer(this.setup.deliver);
  }

  /**
   * A session that is kept keeps its queue as well. One that is to end has to be emptied first: a shared subscription's messages
   * are handed out to sessions, not to connections, so they would wait for a replica that may never come back.
   */
  async drain(deadline: AbortSignal): Promise<void> {
    const { life } = this;
    if (!life.open) return;
    this.draining = true;
    if (this.setup.options.keepSession) {
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
    let ends = false;
    await this.life.stop(deadline, async () => {
      ends = await this.prepareToEnd(deadline);
      const properties = version === '5' && ends ? { properties: { sessionExpiryInterval: 0 } } : {};
      await this.connection.client.endAsync(false, { cmd: 'disconnect', ...properties });
    });
    await this.closed;
    // 3.1.1 cannot end a session on the way out.
    if (version === '3.1.1' && ends) await this.setup.discard(deadline);
  }

  /** Resolves with whether the session that the broker keeps may end. */
  private async prepareToEnd(deadline: AbortSignal): Promise<boolean> {
    this.goOn();
    this.order.flush();
    if (!this.setup.options.keepSession && !this.knownEmpty) await this.askWhetherEmpty(deadline);
    return this.knownEmpty && !this.holdsSomething;
  }

  private get holdsSomething(): boolean {
    return this.order.size > 0 || this.backlog.size > 0 || this.withheld.length > 0 || this.overflowed;
  }

  /** Whether the broker has answered, or asking has to wait for what is held. */
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
    // It is acknowledged in its turn, and nobody else hears of it.
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
    // What was forgotten comes again once the broker sees a new connection.
    if (this.overflowed && !this.draining) {
      this.life.fail(
        new NotConnected(
          'the broker sent more than it was asked for; the rest comes with the next connection',
        ),
      );
    }
  }

  /** Resolves once everything that has come is acknowledged, or will be no more. */
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

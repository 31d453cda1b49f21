import type { IPublishPacket, MqttClient } from 'mqtt';
import { settledBy } from '../../core/deadline.ts';
import { messageOf, NotConnected } from '../../core/errors.ts';
import type { Deliver, Delivery, Publication, Session, Settlement } from '../../core/transport/contract.ts';
import { SettledPrefix } from '../../core/transport/settled-prefix.ts';
import { closedSilently, disconnectReason } from './connection.ts';
import { encodeAcks, isClearing, MqttDelivery } from './delivery.ts';
import type { MqttOptions } from './options.ts';
import { Publisher } from './publisher.ts';
import { leavesNothing } from './unsubscribing.ts';

/** Tells the client library to go on without a PUBACK. One for all: making an error walks the stack. */
const withheld = new Error('the PUBACK is sent after the commit');

/** Milliseconds after which a message that is not settled is overtaken by the acknowledgements of those behind it. */
const stuckAfter = 1000;

/** How a session tells its broker that it is over for good, and who may be told what of it. */
export interface SessionSurroundings {
  readonly options: MqttOptions;
  readonly subscription: string;
  readonly deliver: Deliver;
  /** Ends the session that the broker keeps, by a connection of its own. */
  readonly discard: (deadline: AbortSignal) => Promise<void>;
}

/**
 * One network connection of an MQTT session that the broker keeps.
 *
 * The client library would acknowledge each message once it has been handled, and handles one at a time. Here it is told at
 * once to go on without a PUBACK; that is written after the commit, for a whole batch at a time, in the order in which the
 * messages came, unless one of them takes long. MQTT has no way to give one message back: it is given back by ending the
 * connection and keeping the session.
 *
 * Brokers send more than they were asked for: 3.1.1 has no word for a bound, and Mosquitto 2.0.11 lets a whole receive maximum
 * in with each PUBACK once a session with a backlog is resumed. So what does not fit holds up the socket, in the order in which
 * it came; but not for long, since pings are answered through the same socket.
 */
export class MqttSession implements Session {
  readonly closed: Promise<Error | undefined>;
  private readonly client: MqttClient;
  private readonly options: MqttOptions;
  private readonly surroundings: SessionSurroundings;
  private readonly publisher: Publisher;
  private readonly tracked = new SettledPrefix<MqttDelivery>();
  private readonly emptyWaiters: (() => void)[] = [];
  private readonly bySubject: boolean;
  private paused = false;
  private arrivals = 0;
  /** The message that did not fit. The library reads nothing more until it does: what is behind it stays in the socket. */
  private waiting: { readonly delivery: MqttDelivery; readonly goOn: () => void } | undefined;
  private patience: NodeJS.Timeout | undefined;
  /** Runs while something settled waits behind something that is not. */
  private overtaking: NodeJS.Timeout | undefined;
  /** It waited too long, or we are to stop: what comes from then on is forgotten, and comes again with the next connection. */
  private overflowed = false;
  private draining = false;
  private stopping = false;
  private open = true;
  /** Nobody sends to the session any more, and the broker has nothing left for it. Only then may it end. */
  private knownEmpty = false;
  private end: (error: Error | undefined) => void = () => {};

  /** Listens from the start: the broker sends what the session has queued right behind its CONNACK. */
  constructor(client: MqttClient, surroundings: SessionSurroundings) {
    this.client = client;
    this.surroundings = surroundings;
    this.options = surroundings.options;
    this.bySubject = this.options.auth.mode === 'subject';
    this.publisher = new Publisher(client, this.options);
    this.closed = new Promise((resolve) => {
      this.end = (error) => {
        this.open = false;
        clearTimeout(this.patience);
        clearTimeout(this.overtaking);
        this.wake();
        this.publisher.end();
        resolve(this.stopping ? undefined : (error ?? closedSilently(client)));
      };
    });
    client.handleMessage = (packet, callback) => this.receive(packet, () => callback(withheld));
    // Left by a subscription of QoS 2 that the session had before. The library would acknowledge them before the commit.
    client.options.customHandleAcks = (_topic, _body, packet: IPublishPacket, callback) => {
      if (packet.qos === 2) this.receive(packet, () => callback(withheld));
      else callback(0);
    };
    client.on('connect', (connack) => this.publisher.accepted(connack));
    client.on('error', (error) => {
      // The library would go on reading in the middle of a packet.
      if (error !== withheld) this.fail(new NotConnected(messageOf(error), { cause: error }));
    });
    client.on('disconnect', ({ reasonCode }) => this.fail(disconnectReason(client, reasonCode)));
    client.on('close', () => this.end(undefined));
  }

  settle(deliveries: ReadonlyArray<Delivery>, settlement: Settlement): void {
    // What is released stays unacknowledged: stopping then keeps the session, and the broker delivers it again.
    if (!this.open || settlement === 'release') return;
    for (const delivery of deliveries) {
      if (delivery instanceof MqttDelivery && delivery.packetId !== 0) this.tracked.settle(delivery);
    }
    this.acknowledge();
  }

  publish(publication: Publication): Promise<void> {
    return this.publisher.publish(publication);
  }

  /** Withholds the PUBACKs; the broker's own limit then stops the flow. Not the library's callbacks: pings would go unread. */
  pause(): void {
    this.paused = true;
  }

  resume(): void {
    this.paused = false;
    this.acknowledge();
    const { waiting } = this;
    this.waiting = undefined;
    clearTimeout(this.patience);
    if (waiting !== undefined) this.offer(waiting.delivery, waiting.goOn);
    this.wake();
  }

  /**
   * A session that is kept keeps its queue as well. One that is to end has to be emptied first: a shared subscription's messages
   * are handed out to sessions, not to connections, so they would wait for a replica that may never come back.
   */
  async drain(deadline: AbortSignal): Promise<void> {
    if (!this.open) return;
    this.draining = true;
    if (this.options.keepSession) {
      this.overflow();
      return;
    }
    while (this.open && !deadline.aborted && !this.knownEmpty && !this.overflowed) {
      await settledBy(this.empty(), deadline);
      if (!(await this.askWhetherEmpty(deadline))) return;
    }
  }

  async stop(deadline: AbortSignal): Promise<void> {
    this.stopping = true;
    if (!this.open) return;
    this.paused = false;
    this.acknowledge();
    if (!this.options.keepSession && !this.knownEmpty) await this.askWhetherEmpty(deadline);
    const ends = this.knownEmpty && !this.holdsSomething;
    const { version } = this.options;
    const properties = version === '5' && ends ? { properties: { sessionExpiryInterval: 0 } } : {};
    await settledBy(this.client.endAsync(false, { cmd: 'disconnect', ...properties }), deadline);
    await settledBy(this.closed, deadline);
    if (this.open) {
      // Asked to end already, the library takes no second word for it, and waits for a peer that no longer answers.
      this.client.stream.destroy();
      this.end(undefined);
    }
    // 3.1.1 cannot end a session on the way out.
    if (version === '3.1.1' && ends) await this.surroundings.discard(deadline);
  }

  private get holdsSomething(): boolean {
    return this.tracked.size > 0 || this.waiting !== undefined || this.overflowed;
  }

  /** Whether the broker has answered, or asking has to wait for what is held. */
  private async askWhetherEmpty(deadline: AbortSignal): Promise<boolean> {
    if (this.holdsSomething) return true;
    const before = this.arrivals;
    const answered = await leavesNothing(this.client, this.surroundings.subscription, deadline);
    this.knownEmpty = answered && this.open && before === this.arrivals && !this.holdsSomething;
    return answered;
  }

  /**
   * The library calls this from within its parser, where an exception would end the process or stop its reading.
   *
   * @param goOn makes the library read the next packet.
   */
  private receive(packet: IPublishPacket, goOn: () => void): void {
    if (!this.open) return;
    try {
      this.arrivals += 1;
      const delivery = new MqttDelivery(this, packet, this.bySubject);
      if (isClearing(packet)) this.ignore(delivery, goOn);
      else this.offer(delivery, goOn);
    } catch (error) {
      this.fail(new NotConnected(`a message could not be taken: ${messageOf(error)}`, { cause: error }));
    }
  }

  private offer(delivery: MqttDelivery, goOn: () => void): void {
    if (!this.overflowed && !this.surroundings.deliver(delivery)) {
      this.waiting = { delivery, goOn };
      // A ping is due after one keepalive, its answer half of one later.
      this.patience = setTimeout(() => this.overflow(), this.options.keepalive * 250);
      return;
    }
    if (!this.overflowed && delivery.packetId !== 0) this.tracked.track(delivery);
    goOn();
  }

  /** It is acknowledged in its turn, and nobody else hears of it. */
  private ignore(delivery: MqttDelivery, goOn: () => void): void {
    if (!this.overflowed && delivery.packetId !== 0) {
      this.tracked.track(delivery);
      this.settle([delivery], 'done');
    }
    goOn();
  }

  private overflow(): void {
    const { waiting } = this;
    this.waiting = undefined;
    this.overflowed = true;
    waiting?.goOn();
    this.acknowledge();
    this.wake();
  }

  private acknowledge(): void {
    if (!this.open || this.paused) return;
    this.write(this.tracked.takePrefix());
    if (this.tracked.blocked && this.options.ackOrder === 'relaxed') this.overtake();
    if (this.tracked.size > 0) return;
    this.wake();
    // What was forgotten comes again once the broker sees a new connection.
    if (this.overflowed && !this.draining)
      this.fail(
        new NotConnected(
          'the broker sent more than it was asked for; the rest comes with the next connection',
        ),
      );
  }

  /** Once the first message has been here for long, it no longer keeps the broker from sending others. */
  private overtake(): void {
    const age = performance.now() - (this.tracked.oldest?.meta.receivedAt ?? 0);
    if (age >= stuckAfter || this.stopping) {
      this.write(this.tracked.takeAll());
      return;
    }
    this.overtaking ??= setTimeout(() => {
      this.overtaking = undefined;
      this.acknowledge();
    }, stuckAfter - age);
  }

  private write(deliveries: ReadonlyArray<MqttDelivery>): void {
    if (deliveries.length > 0) this.client.stream.write(encodeAcks(deliveries));
  }

  /** The session is of no use any more: closes the connection, which ends it. */
  private fail(error: Error): void {
    if (!this.open) return;
    this.end(error);
    this.client.end(true);
  }

  /** Resolves once everything that has come is acknowledged, or will be no more. */
  private async empty(): Promise<void> {
    while (this.open && !this.overflowed && (this.tracked.size > 0 || this.waiting !== undefined))
      await new Promise<void>((resolve) => this.emptyWaiters.push(resolve));
  }

  private wake(): void {
    for (const waiter of this.emptyWaiters.splice(0)) waiter();
  }
}

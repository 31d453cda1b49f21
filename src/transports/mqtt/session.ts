import type { IPublishPacket, MqttClient, Packet } from 'mqtt';
import type {
  Deliver,
  Delivery,
  DeliveryMeta,
  Publication,
  Session,
  Settlement,
} from '../../core/contracts.ts';
import { settledBy } from '../../core/deadline.ts';
import { NotConnected, Undeliverable } from '../../core/errors.ts';
import { SettledPrefix } from '../../core/settled-prefix.ts';
import { UntilEnd } from '../../core/until-end.ts';
import { publishFailure } from './connection.ts';
import type { MqttOptions } from './options.ts';
import { assertFits, mayAnswerTo } from './topic.ts';

/** Tells the client library to go on without a PUBACK. One for all: making an error walks the stack. */
const withheld = new Error('the PUBACK is sent after the commit');

/** DISCONNECT reason code 0x8E (MQTT 5, section 3.14.2.1). */
const sessionTakenOver = 0x8e;

class MqttDelivery implements Delivery {
  readonly session: Session;
  /** 0 for a message of QoS 0, which has none and is not acknowledged. */
  readonly packetId: number;
  readonly body: Buffer;
  readonly meta: DeliveryMeta;

  constructor(session: Session, packetId: number, body: Buffer, meta: DeliveryMeta) {
    this.session = session;
    this.packetId = packetId;
    this.body = body;
    this.meta = meta;
  }
}

/**
 * One network connection of an MQTT session that the broker keeps.
 *
 * The client library would acknowledge each message once it has been handled, and handles one at a time. Here it is told at
 * once to go on without a PUBACK; that is written after the commit, for a whole batch at a time, in the order in which the
 * messages came. MQTT has no way to give one message back: it is given back by ending the connection and keeping the session.
 *
 * Brokers send more than they were asked for: 3.1.1 has no word for a bound, and Mosquitto 2.0.11 lets a whole receive maximum
 * in with each PUBACK once a session with a backlog is resumed. So what does not fit holds up the socket, in the order in which
 * it came; but not for long, since pings are answered through the same socket.
 */
export class MqttSession implements Session {
  readonly closed: Promise<Error | undefined>;
  private readonly client: MqttClient;
  private readonly options: MqttOptions;
  private readonly subscription: string;
  private readonly deliver: Deliver;
  /** Ends the session that the broker keeps, by a connection of its own. */
  private readonly discard: (deadline: AbortSignal) => Promise<void>;
  private readonly tracked = new SettledPrefix<MqttDelivery>();
  private readonly emptyWaiters = new Set<() => void>();
  private readonly publishing = new UntilEnd();
  /** Of the broker, in bytes. */
  private maximumPacketSize: number | undefined;
  private paused = false;
  private arrivals = 0;
  /** The message that did not fit. The library reads nothing more until it does: what is behind it stays in the socket. */
  private waiting: { readonly delivery: MqttDelivery; readonly goOn: () => void } | undefined;
  private patience: NodeJS.Timeout | undefined;
  /** It waited too long, or we are to stop: what comes from then on is forgotten, and comes again with the next connection. */
  private overflowed = false;
  private draining = false;
  private stopping = false;
  private open = true;
  private end: (error: Error | undefined) => void = () => {};

  /** Listens from the start: the broker sends what the session has queued right behind its CONNACK. */
  constructor(
    client: MqttClient,
    options: MqttOptions,
    subscription: string,
    deliver: Deliver,
    discard: (deadline: AbortSignal) => Promise<void>,
  ) {
    this.discard = discard;
    this.client = client;
    this.options = options;
    this.subscription = subscription;
    this.deliver = deliver;
    let reason: Error | undefined;
    this.closed = new Promise((resolve) => {
      this.end = (error) => {
        this.open = false;
        clearTimeout(this.patience);
        for (const waiter of this.emptyWaiters) waiter();
        this.publishing.end(new NotConnected('the connection was closed before the broker had the message'));
        resolve(
          this.stopping ? undefined : (error ?? reason ?? new NotConnected('the connection was closed')),
        );
      };
    });
    client.handleMessage = (packet, callback) => {
      this.receive(packet, () => callback(withheld));
    };
    client.on('connect', ({ properties }) => {
      this.maximumPacketSize = properties?.maximumPacketSize;
    });
    client.on('error', (error) => {
      reason = error;
    });
    client.on('disconnect', ({ reasonCode }) => {
      const other = `another connection has the client id ${client.options.clientId}: give each replica a name of its own (replica)`;
      reason = new NotConnected(
        reasonCode === sessionTakenOver ? other : `the broker disconnected with reason code ${reasonCode}`,
      );
    });
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

  /** The PUBACK says that the broker has it, whether or not anybody is subscribed. */
  async publish({ to, body, correlationId }: Publication): Promise<void> {
    const payload = Buffer.from(body.buffer, body.byteOffset, body.length);
    const properties =
      correlationId === undefined ? {} : { correlationData: Buffer.from(correlationId, 'latin1') };
    if (to.kind === 'reply' && !mayAnswerTo(to.name, this.options))
      throw new Undeliverable(`no answer may go to ${to.name.slice(0, 64)}`);
    assertFits(body, [to.name, correlationId], this.maximumPacketSize);
    try {
      await this.publishing.wait(this.client.publishAsync(to.name, payload, { qos: 1, properties }));
    } catch (error) {
      throw publishFailure(error);
    }
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
  }

  /**
   * A shared subscription's messages are handed out to sessions, not to connections: what the broker has queued for this one
   * has to be taken, or it waits for a replica that may never come back. After the last PUBACK a ping that is answered with
   * nothing delivered before says that the queue is empty. A session that is to be kept keeps its queue as well.
   */
  async drain(deadline: AbortSignal): Promise<void> {
    if (!this.open) return;
    this.draining = true;
    if (this.options.keepSession) {
      this.overflow();
      return;
    }
    await settledBy(this.client.unsubscribeAsync(this.subscription), deadline);
    for (
      let before = -1;
      this.open && !deadline.aborted && (before !== this.arrivals || this.tracked.size > 0);
    ) {
      await settledBy(this.empty(), deadline);
      before = this.arrivals;
      await settledBy(this.ping(), deadline);
    }
  }

  async stop(deadline: AbortSignal): Promise<void> {
    this.stopping = true;
    if (!this.open) return;
    this.paused = false;
    this.acknowledge();
    const keep = this.tracked.size > 0 || this.waiting !== undefined || this.overflowed;
    const { version } = this.options;
    const properties = version === '5' && !keep ? { properties: { sessionExpiryInterval: 0 } } : {};
    await settledBy(this.client.endAsync(false, { cmd: 'disconnect', ...properties }), deadline);
    await settledBy(this.closed, deadline);
    if (this.open) {
      // Asked to end already, the library takes no second word for it, and waits for a peer that no longer answers.
      this.client.stream.destroy();
      this.end(undefined);
    }
    // 3.1.1 cannot end a session on the way out.
    if (version === '3.1.1' && !keep) await this.discard(deadline);
  }

  /** @param goOn makes the library read the next packet. */
  private receive(packet: IPublishPacket, goOn: () => void): void {
    if (!this.open) return;
    this.arrivals += 1;
    const body = typeof packet.payload === 'string' ? Buffer.from(packet.payload) : packet.payload;
    this.offer(new MqttDelivery(this, packet.messageId ?? 0, body, this.metaOf(packet)), goOn);
  }

  private offer(delivery: MqttDelivery, goOn: () => void): void {
    if (!this.overflowed && !this.deliver(delivery)) {
      this.waiting = { delivery, goOn };
      // A ping is due after one keepalive, its answer half of one later.
      this.patience = setTimeout(() => this.overflow(), this.options.keepalive * 250);
      return;
    }
    if (!this.overflowed && delivery.packetId !== 0) this.tracked.track(delivery);
    goOn();
  }

  private overflow(): void {
    const { waiting } = this;
    this.waiting = undefined;
    this.overflowed = true;
    waiting?.goOn();
    this.acknowledge();
  }

  private metaOf({ topic, dup, properties }: IPublishPacket): DeliveryMeta {
    const bySubject = this.options.auth.mode === 'subject';
    const receivedAt = performance.now();
    const id = properties?.userProperties?.['message-id'];
    const expiry = properties?.messageExpiryInterval;
    return {
      messageId: typeof id === 'string' ? id : undefined,
      replyTo: properties?.responseTopic,
      // Bytes of any kind, kept one by one.
      correlationId: properties?.correlationData?.toString('latin1'),
      // Seconds that are left of it, less the time that it has waited at the broker.
      deadline: expiry === undefined ? undefined : receivedAt + expiry * 1000,
      sender: bySubject ? topic.slice(topic.lastIndexOf('/') + 1) : undefined,
      senderProof: bySubject ? 'subject' : undefined,
      redelivered: dup,
      receivedAt,
    };
  }

  private acknowledge(): void {
    if (!this.open || this.paused) return;
    const prefix = this.tracked.takePrefix();
    if (prefix.length > 0) this.client.stream.write(encodePubacks(prefix));
    if (this.tracked.size > 0) return;
    for (const waiter of this.emptyWaiters) waiter();
    // What was forgotten comes again once the broker sees a new connection.
    if (!this.overflowed || this.draining) return;
    this.end(
      new NotConnected('the broker sent more than it was asked for; the rest comes with the next connection'),
    );
    this.client.end(true);
  }

  /** Resolves once everything delivered is acknowledged. */
  private async empty(): Promise<void> {
    if (this.tracked.size === 0 || !this.open) return;
    await new Promise<void>((resolve) => {
      const waiter = () => {
        this.emptyWaiters.delete(waiter);
        resolve();
      };
      this.emptyWaiters.add(waiter);
    });
  }

  /** Resolves once the broker has answered, and so has dealt with all that was written before. */
  private async ping(): Promise<void> {
    if (!this.open) return;
    await new Promise<void>((resolve) => {
      const onPacket = (packet: Packet) => {
        if (packet.cmd === 'pingresp') done();
      };
      const done = () => {
        this.client.off('packetreceive', onPacket);
        this.client.off('close', done);
        resolve();
      };
      this.client.on('packetreceive', onPacket);
      this.client.on('close', done);
      this.client.sendPing();
    });
  }
}

/** PUBACK packets, one after the other (MQTT 3.1.1 and 5, section 3.4; in 5 without the reason code, which means success). */
function encodePubacks(deliveries: ReadonlyArray<MqttDelivery>): Buffer {
  const packets = Buffer.allocUnsafe(deliveries.length * 4);
  for (const [index, { packetId }] of deliveries.entries()) {
    packets.writeUInt16BE(0x4002, index * 4);
    packets.writeUInt16BE(packetId, index * 4 + 2);
  }
  return packets;
}

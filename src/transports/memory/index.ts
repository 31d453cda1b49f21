import { messageOf, NotConnected } from '../../core/errors.ts';
import type {
  Deliver,
  Delivery,
  DeliveryMeta,
  Publication,
  Session,
  Settlement,
  Transport,
} from '../../core/transport/contract.ts';

/** The properties of a message beside its body. */
export type MemoryProperties = Omit<DeliveryMeta, 'redelivered' | 'receivedAt'>;

/** A settled delivery. */
export interface Settled {
  readonly body: Uint8Array;
  readonly settlement: Settlement;
}

/**
 * A broker inside this process: one queue, one consumer at a time. It is the shortest implementation of the contract, and serves the tests
 * and the bench. The configuration has no `kind` for it, since no other process could publish to it.
 */
export class MemoryTransport implements Transport {
  readonly name: string;
  /** Messages that are not delivered, or were given back; oldest first. */
  readonly queue: MemoryMessage[] = [];
  /** All settlements, in order. */
  readonly settled: Settled[] = [];
  /** All publications, in order. */
  readonly published: Publication[] = [];
  /** While set, attempts to connect fail with this error. */
  refusal: Error | undefined;
  attempts = 0;
  /** The open session. */
  session: MemorySession | undefined;

  constructor(name: string) {
    this.name = name;
  }

  async connect(deliver: Deliver): Promise<MemorySession> {
    this.attempts += 1;
    if (this.refusal !== undefined) throw this.refusal;
    if (this.session !== undefined) throw new Error('the last session has to close first');
    const session = new MemorySession(this, deliver);
    this.session = session;
    session.resume();
    return session;
  }

  /** Delivers the message at once if a consumer takes it. Otherwise it waits in the queue. */
  publish(body: Uint8Array, properties: MemoryProperties = {}): void {
    this.queue.push({ body, properties, redelivered: false });
    this.session?.pump();
  }
}

interface MemoryMessage {
  readonly body: Uint8Array;
  readonly properties: MemoryProperties;
  redelivered: boolean;
}

class MemoryDelivery implements Delivery {
  readonly session: Session;
  readonly message: MemoryMessage;
  readonly body: Uint8Array;
  readonly meta: DeliveryMeta;

  constructor(session: Session, message: MemoryMessage) {
    const { body, properties, redelivered } = message;
    this.session = session;
    this.message = message;
    this.body = body;
    this.meta = { ...properties, redelivered, receivedAt: performance.now() };
  }
}

export class MemorySession implements Session {
  readonly closed: Promise<Error | undefined>;
  paused = true;
  private readonly transport: MemoryTransport;
  private readonly deliver: Deliver;
  /** Oldest first. */
  private readonly unsettled = new Set<MemoryDelivery>();
  private draining = false;
  private open = true;
  private resolveClosed: (error: Error | undefined) => void = () => {};

  constructor(transport: MemoryTransport, deliver: Deliver) {
    this.transport = transport;
    this.deliver = deliver;
    this.closed = new Promise((resolve) => {
      this.resolveClosed = resolve;
    });
  }

  settle(deliveries: ReadonlyArray<Delivery>, settlement: Settlement): void {
    if (!this.open) return;
    // A delivery of another session, or one that is settled already, is the caller's fault, so this throws.
    const own = deliveries.filter((one) => one instanceof MemoryDelivery && this.unsettled.delete(one));
    if (own.length < deliveries.length) throw new Error('a delivery was settled twice, or elsewhere');
    for (const { body } of own) this.transport.settled.push({ body, settlement });
    if (settlement === 'release') this.giveBack(own);
  }

  async publish(publication: Publication): Promise<void> {
    if (!this.open) throw new NotConnected('the session has ended');
    this.transport.published.push(publication);
  }

  pause(): void {
    this.paused = true;
  }

  resume(): void {
    if (this.draining) return;
    this.paused = false;
    this.pump();
  }

  async drain(): Promise<void> {
    this.draining = true;
    this.paused = true;
  }

  async stop(): Promise<void> {
    this.end(undefined);
  }

  /** Ends the session as a broken connection does. */
  end(error: Error | undefined): void {
    if (!this.open) return;
    this.open = false;
    this.transport.session = undefined;
    this.giveBack([...this.unsettled]);
    this.resolveClosed(error);
  }

  /** Delivers the messages in the queue. */
  pump(): void {
    while (this.open && !this.paused) {
      const message = this.transport.queue.shift();
      if (message === undefined) return;
      const delivery = new MemoryDelivery(this, message);
      this.unsettled.add(delivery);
      try {
        if (this.deliver(delivery)) continue;
      } catch (error) {
        // It is unknown whether the message was taken. The publisher must not get this error.
        this.end(new NotConnected(`a message could not be taken: ${messageOf(error)}`, { cause: error }));
        return;
      }
      this.unsettled.delete(delivery);
      this.transport.queue.unshift(message);
      this.paused = true;
    }
  }

  /** The unsettled deliveries. */
  get held(): ReadonlyArray<Uint8Array> {
    return [...this.unsettled].map(({ body }) => body);
  }

  private giveBack(deliveries: ReadonlyArray<Delivery>): void {
    const messages = deliveries.flatMap((one) => (one instanceof MemoryDelivery ? [one.message] : []));
    for (const message of messages) message.redelivered = true;
    this.transport.queue.unshift(...messages);
  }
}

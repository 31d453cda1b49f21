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

/** What a message says of itself beside its body. */
export type MemoryProperties = Omit<DeliveryMeta, 'redelivered' | 'receivedAt'>;

/** What became of one delivery. */
export interface Settled {
  readonly body: Uint8Array;
  readonly settlement: Settlement;
}

/**
 * A broker in this process: one queue, one consumer at a time. It shows what the contracts ask of a transport at its
 * shortest, serves the tests, and is no `kind` of the configuration: nobody else could publish to it.
 */
export class MemoryTransport implements Transport {
  readonly name: string;
  /** What is not delivered, or was given back, oldest first. */
  readonly queue: MemoryMessage[] = [];
  /** Every settlement there was, in order. */
  readonly settled: Settled[] = [];
  /** Everything that was published, in order. */
  readonly published: Publication[] = [];
  /** The error that attempts to connect fail with, while there is one. */
  refusal: Error | undefined;
  attempts = 0;
  /** The session that is open. */
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

  /** Delivers the message at once, if anybody takes it; it waits in the queue otherwise. */
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
    // A delivery of another session, or one that is settled already, is a fault of the caller's, not to be passed over.
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

  /** Ends the session, as a broken connection does. */
  end(error: Error | undefined): void {
    if (!this.open) return;
    this.open = false;
    this.transport.session = undefined;
    this.giveBack([...this.unsettled]);
    this.resolveClosed(error);
  }

  /** Delivers what waits in the queue. */
  pump(): void {
    while (this.open && !this.paused) {
      const message = this.transport.queue.shift();
      if (message === undefined) return;
      const delivery = new MemoryDelivery(this, message);
      this.unsettled.add(delivery);
      try {
        if (this.deliver(delivery)) continue;
      } catch (error) {
        // Nobody can say whether it was taken. Whoever publishes is not to hear of it.
        this.end(new NotConnected(`a message could not be taken: ${messageOf(error)}`, { cause: error }));
        return;
      }
      this.unsettled.delete(delivery);
      this.transport.queue.unshift(message);
      this.paused = true;
    }
  }

  /** What is unsettled now. */
  get held(): ReadonlyArray<Uint8Array> {
    return [...this.unsettled].map(({ body }) => body);
  }

  private giveBack(deliveries: ReadonlyArray<Delivery>): void {
    const messages = deliveries.flatMap((one) => (one instanceof MemoryDelivery ? [one.message] : []));
    for (const message of messages) message.redelivered = true;
    this.transport.queue.unshift(...messages);
  }
}

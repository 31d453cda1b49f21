import type {
  Deliver,
  Delivery,
  Inspection,
  KeptSession,
  Publication,
  Session,
  Settlement,
  Stall,
  Transport,
} from '../core/transport/contract.ts';
import { type Shortfall, untold } from '../core/transport/durability.ts';
import type { SpanMaker } from './span-maker.ts';
import { TracedDelivery, tracedOf } from './traced-delivery.ts';

/** A transport whose messages have spans: `receive` and `settle`. All else is the inner transport's. */
export class TracedTransport implements Transport {
  readonly name: string;
  readonly kept?: KeptSession;
  readonly adopt?: NonNullable<Transport['adopt']>;
  readonly inspect?: () => Promise<Inspection>;
  private readonly inner: Transport;
  private readonly spans: SpanMaker;
  private readonly sessions = new WeakMap<Session, TracedSession>();

  constructor(inner: Transport, spans: SpanMaker) {
    this.name = inner.name;
    this.inner = inner;
    this.spans = spans;
    if (inner.kept !== undefined) this.kept = inner.kept;
    if (inner.inspect !== undefined) this.inspect = inner.inspect.bind(inner);
    const adopt = inner.adopt?.bind(inner);
    if (adopt === undefined) return;
    this.adopt = async (kept, deliver, share) =>
      this.sessionOf(await adopt(kept, this.traced(deliver), share));
  }

  async connect(deliver: Deliver): Promise<Session> {
    return this.sessionOf(await this.inner.connect(this.traced(deliver)));
  }

  private traced(deliver: Deliver): Deliver {
    return (inner) => {
      const sender = this.spans.senderOf(inner.meta);
      const delivery = new TracedDelivery(this.sessionOf(inner.session), inner, sender);
      // A refused delivery comes again. One that was taken is in no batch before the next turn of the event loop.
      if (!deliver(delivery)) return false;
      this.spans.receive(this.name, delivery);
      return true;
    };
  }

  /** Deliveries may come before `connect` has resolved. */
  private sessionOf(inner: Session): TracedSession {
    let session = this.sessions.get(inner);
    if (session === undefined) {
      session = new TracedSession(inner, this.name, this.spans);
      this.sessions.set(inner, session);
    }
    return session;
  }
}

class TracedSession implements Session {
  private readonly inner: Session;
  private readonly transport: string;
  private readonly spans: SpanMaker;

  constructor(inner: Session, transport: string, spans: SpanMaker) {
    this.inner = inner;
    this.transport = transport;
    this.spans = spans;
  }

  settle(deliveries: ReadonlyArray<Delivery>, settlement: Settlement): void {
    const traced = tracedOf(deliveries);
    this.spans.settle(this.transport, traced, settlement, () =>
      this.inner.settle(
        traced.map(({ inner }) => inner),
        settlement,
      ),
    );
  }

  publish(publication: Publication): Promise<void> {
    return this.inner.publish(publication);
  }

  pause(): void {
    this.inner.pause();
  }

  resume(): void {
    this.inner.resume();
  }

  drain(deadline: AbortSignal, comesBack?: boolean): Promise<void> {
    return this.inner.drain(deadline, comesBack);
  }

  stop(deadline: AbortSignal): Promise<void> {
    return this.inner.stop(deadline);
  }

  get closed(): Promise<Error | undefined> {
    return this.inner.closed;
  }

  get leavesNothing(): boolean {
    return this.inner.leavesNothing ?? false;
  }

  get givesBack(): boolean {
    return this.inner.givesBack ?? true;
  }

  get durability(): ReadonlyArray<Shortfall> {
    return this.inner.durability ?? untold;
  }

  get stall(): Stall | undefined {
    return this.inner.stall;
  }
}

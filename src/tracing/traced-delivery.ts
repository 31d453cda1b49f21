import type { Span, SpanContext } from '@opentelemetry/api';
import type { Delivery, DeliveryMeta, Session } from '../core/transport/contract.ts';

/** A delivery with its spans. The session that made it settles `inner`. */
export class TracedDelivery implements Delivery {
  readonly session: Session;
  readonly body: Uint8Array;
  readonly meta: DeliveryMeta;
  readonly inner: Delivery;
  /** The span of the sender; undefined if the message names none. */
  readonly sender: SpanContext | undefined;
  /** From the arrival to the first batch; undefined before and afterwards, and if the message names no sender's span. */
  receiving: Span | undefined;
  /** The span of the last batch that the message was in, or of the call. */
  processed: SpanContext | undefined;
  /** The span of the call, which its answer carries. */
  called: SpanContext | undefined;

  constructor(session: Session, inner: Delivery, sender: SpanContext | undefined) {
    this.session = session;
    this.body = inner.body;
    this.meta = inner.meta;
    this.inner = inner;
    this.sender = sender;
  }
}

/** The deliveries that came through a traced transport: all of them. */
export function tracedOf(deliveries: ReadonlyArray<Delivery>): ReadonlyArray<TracedDelivery> {
  return deliveries.filter((delivery) => delivery instanceof TracedDelivery);
}

import {
  type Link,
  type Span,
  type SpanContext,
  SpanKind,
  SpanStatusCode,
  type Tracer,
} from '@opentelemetry/api';
import { localTime } from '../core/gateway/counters.ts';
import type { RunAgainFigures, TransactionTimes } from '../core/message/outcome.ts';
import type { DeliveryMeta, Settlement } from '../core/transport/contract.ts';
import { attribute } from './attributes.ts';
import { SpanClock } from './clock.ts';
import { isSampledIn, parentIn, spanContextOf } from './contexts.ts';
import type { TracedDelivery } from './traced-delivery.ts';

/** The most messages that the span of a batch links; OpenTelemetry's own limit. */
const mostLinks = 128;

/** The most characters of a message id in a span. */
const longestId = 128;

/** How stored messages run again, and the table that has them. */
const sources = { retry: 'deferred', redrive: 'dead_letters' } as const;
export type Again = keyof typeof sources;

/** Makes the spans of a replica. docs/tracing.md describes them. */
export class SpanMaker {
  private readonly tracer: Tracer;
  private readonly clock = new SpanClock();

  constructor(tracer: Tracer) {
    this.tracer = tracer;
  }

  /** The sender's span. */
  senderOf({ trace }: DeliveryMeta): SpanContext | undefined {
    return spanContextOf(trace);
  }

  /** Begins the span from the arrival to the first batch. A message that names no sender's span gets none: it would stand alone. */
  receive(transport: string, delivery: TracedDelivery): void {
    const { sender, body, meta } = delivery;
    if (sender === undefined) return;
    const { messageId, redelivered, receivedAt } = meta;
    const attributes = {
      [attribute.transport]: transport,
      [attribute.bodySize]: body.length,
      ...(messageId !== undefined && { [attribute.messageId]: messageId.slice(0, longestId) }),
      ...(redelivered && { [attribute.redelivered]: true }),
    };
    const options = { kind: SpanKind.CLIENT, startTime: this.clock.at(receivedAt), attributes };
    delivery.receiving = this.tracer.startSpan('receive', options, parentIn(sender));
  }

  /** Begins the span of a batch, and ends those of its messages' arrivals. */
  processBatch(transport: string, batch: ReadonlyArray<TracedDelivery>): Span {
    const attributes = { [attribute.transport]: transport, [attribute.batchSize]: batch.length };
    const startTime = this.clock.now;
    const options = {
      kind: SpanKind.CONSUMER,
      startTime,
      attributes,
      links: linksOf(batch.map(({ sender }) => sender)),
    };
    const span = this.tracer.startSpan('process', options, parentIn(undefined));
    const context = span.spanContext();
    for (const delivery of batch) endReceive(delivery, context, startTime);
    return span;
  }

  /**
   * Makes the spans of messages that were stored and have run again: `process` for all of them, and `retry` or `redrive` below the span of
   * each sender.
   *
   * @param begunAt milliseconds of the monotonic clock.
   */
  ranAgain(how: Again, transport: string, figures: RunAgainFigures, begunAt: number): void {
    const { outcomes, traces = [], failedBecause } = figures;
    const counts = Object.entries(outcomes);
    const size = counts.reduce((sum, [, count]) => sum + count, 0);
    if (size === 0) return;
    const attributes = { [attribute.transport]: transport, [attribute.source]: sources[how] };
    const [startTime, endTime] = [this.clock.at(begunAt), this.clock.now];
    const senders = traces.flatMap((trace) => spanContextOf(trace) ?? []);
    const process = this.tracer.startSpan(
      'process',
      { kind: SpanKind.CONSUMER, startTime, attributes, links: linksOf(senders) },
      parentIn(undefined),
    );
    process.setAttribute(attribute.batchSize, size);
    for (const [kind, count] of counts) process.setAttribute(`${attribute.outcomes}${kind}`, count);
    const links = [{ context: process.spanContext() }];
    for (const sender of senders)
      this.tracer
        .startSpan(how, { kind: SpanKind.CLIENT, startTime, attributes, links }, parentIn(sender))
        .end(endTime);
    if (failedBecause !== undefined)
      process.setStatus({ code: SpanStatusCode.ERROR, message: failedBecause });
    process.end(endTime);
  }

  /** Begins the span of a call, and ends that of its arrival if no batch has. */
  processCall(transport: string, call: TracedDelivery): Span {
    const attributes = { [attribute.transport]: transport, [attribute.batchSize]: 1 };
    const startTime = this.clock.now;
    const options = { kind: SpanKind.CONSUMER, startTime, attributes };
    const span = this.tracer.startSpan('process', options, parentIn(call.sender));
    call.called = span.spanContext();
    endReceive(call, call.called, startTime);
    return span;
  }

  /**
   * Ends the span of a batch or a call at its commit, and makes those of its transactions.
   *
   * @param problem why messages are held, if they are.
   */
  endProcess(
    span: Span,
    transactions: ReadonlyArray<TransactionTimes> = [],
    problem: string | undefined = undefined,
  ): void {
    const parent = parentIn(span.spanContext());
    let committedAt: number | undefined;
    for (const { begunAt, endedAt, hasCommitted } of transactions) {
      const end = localTime(endedAt);
      const attributes = { 'db.system.name': 'postgresql', [attribute.committed]: hasCommitted };
      const startTime = this.clock.at(localTime(begunAt));
      const transaction = this.tracer.startSpan(
        'transaction',
        { kind: SpanKind.CLIENT, startTime, attributes },
        parent,
      );
      if (!hasCommitted) transaction.setStatus({ code: SpanStatusCode.ERROR });
      transaction.end(this.clock.at(end));
      if (hasCommitted) committedAt = end;
    }
    if (problem !== undefined) span.setStatus({ code: SpanStatusCode.ERROR, message: problem });
    span.end(committedAt === undefined ? this.clock.now : this.clock.at(committedAt));
  }

  /** Settles deliveries within a span of the batch that they were in. */
  settle(
    transport: string,
    deliveries: ReadonlyArray<TracedDelivery>,
    settlement: Settlement,
    work: () => void,
  ): void {
    const attributes = {
      [attribute.transport]: transport,
      [attribute.batchSize]: deliveries.length,
      [attribute.settlement]: settlement,
    };
    const options = { kind: SpanKind.CLIENT, startTime: this.clock.now, attributes };
    const span = this.tracer.startSpan('settle', options, parentIn(deliveries[0]?.processed));
    work();
    span.end(this.clock.now);
  }
}

/** Notes the span that executes a message, and ends that of its arrival at the first one. */
function endReceive(delivery: TracedDelivery, context: SpanContext, at: number): void {
  delivery.processed = context;
  const { receiving } = delivery;
  if (receiving === undefined) return;
  delivery.receiving = undefined;
  receiving.addLink({ context });
  receiving.end(at);
}

/** The spans of the messages' senders, as far as they are recorded. */
function linksOf(senders: ReadonlyArray<SpanContext | undefined>): Link[] {
  const links: Link[] = [];
  for (const context of senders) {
    if (context === undefined || !isSampledIn(context)) continue;
    links.push({ context });
    if (links.length === mostLinks) break;
  }
  return links;
}

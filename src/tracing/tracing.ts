import { messageOf } from '../core/errors.ts';
import type { BatchResult, CallResult, RunAgainFigures } from '../core/message/outcome.ts';
import type { TraceContext } from '../core/message/trace-context.ts';
import type { Delivery, Transport } from '../core/transport/contract.ts';
import { attribute, outcomesIn } from './attributes.ts';
import { traceContextOf } from './contexts.ts';
import { type Again, SpanMaker } from './span-maker.ts';
import { TracedDelivery, tracedOf } from './traced-delivery.ts';
import { TracedTransport } from './traced-transport.ts';
import { registeredTracer } from './tracer.ts';

/**
 * The spans of a replica. It stands around the transports and around the runs of batches and calls. Without it they are not wrapped, and
 * do no work for traces.
 */
export class Tracing {
  private readonly spans: SpanMaker;

  constructor(spans: SpanMaker) {
    this.spans = spans;
  }

  /** The transport with the spans `receive` and `settle`. */
  transport(inner: Transport): Transport {
    return new TracedTransport(inner, this.spans);
  }

  /**
   * Runs a batch within a span.
   *
   * @param run gets the trace of the batch.
   */
  async batch(
    transport: string,
    deliveries: ReadonlyArray<Delivery>,
    run: (traceId: string) => Promise<BatchResult>,
  ): Promise<BatchResult> {
    const span = this.spans.processBatch(transport, tracedOf(deliveries));
    try {
      const result = await run(span.spanContext().traceId);
      span.setAttributes(outcomesIn(result));
      this.spans.endProcess(span, result.transactions, result.heldBecause);
      return result;
    } catch (error) {
      this.spans.endProcess(span, [], messageOf(error));
      throw error;
    }
  }

  /**
   * Runs a call within a span, which is a child of the caller's.
   *
   * @param run gets the trace of the call.
   */
  async call(
    transport: string,
    delivery: Delivery,
    run: (traceId: string | undefined) => Promise<CallResult>,
  ): Promise<CallResult> {
    if (!(delivery instanceof TracedDelivery)) return run(undefined);
    const span = this.spans.processCall(transport, delivery);
    try {
      const result = await run(span.spanContext().traceId);
      const { outcome, method, transactions, waitsFor } = result;
      span.setAttribute(attribute.outcome, outcome ?? (waitsFor === undefined ? 'held' : 'waiting'));
      if (method !== undefined) span.setAttribute(attribute.method, method);
      this.spans.endProcess(span, transactions, result.heldBecause);
      return result;
    } catch (error) {
      this.spans.endProcess(span, [], messageOf(error));
      throw error;
    }
  }

  /** Runs a round of retries or redrives, and makes its spans if there was anything to do. */
  async again<Round extends RunAgainFigures>(
    how: Again,
    transport: string,
    run: () => Promise<Round>,
  ): Promise<Round> {
    const begunAt = performance.now();
    const round = await run();
    this.spans.ranAgain(how, transport, round, begunAt);
    return round;
  }

  /** The context of the span that has executed a call, for its answer; undefined if none has. */
  readonly traceOf = (call: Delivery): TraceContext | undefined =>
    call instanceof TracedDelivery && call.called !== undefined ? traceContextOf(call.called) : undefined;
}

/** Tracing with the SDK that is registered in this process; undefined if there is none. */
export function registeredTracing(): Tracing | undefined {
  const tracer = registeredTracer();
  return tracer === undefined ? undefined : new Tracing(new SpanMaker(tracer));
}

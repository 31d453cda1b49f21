import {
  type Context,
  createTraceState,
  ROOT_CONTEXT,
  type SpanContext,
  TraceFlags,
  trace,
} from '@opentelemetry/api';
import { type TraceContext, traceIdsOf, traceparentOf } from '../core/message/trace-context.ts';

/** The context of a sender's span; undefined if the message has none. */
export function spanContextOf(given: TraceContext | undefined): SpanContext | undefined {
  const ids = given && traceIdsOf(given.traceparent);
  if (given === undefined || ids === undefined) return undefined;
  const { traceId, spanId, isSampled } = ids;
  return {
    traceId,
    spanId,
    traceFlags: isSampled ? TraceFlags.SAMPLED : TraceFlags.NONE,
    isRemote: true,
    // It drops members that are invalid.
    ...(given.tracestate !== undefined && { traceState: createTraceState(given.tracestate) }),
  };
}

/** The context of one of our spans, for the properties of a message. */
export function traceContextOf({ traceId, spanId, traceFlags, traceState }: SpanContext): TraceContext {
  const isSampled = isSampledIn({ traceFlags });
  const traceparent = traceparentOf({ traceId, spanId, isSampled });
  const tracestate = traceState?.serialize() ?? '';
  return tracestate === '' ? { traceparent } : { traceparent, tracestate };
}

/** The parent for a new span; the root if there is none. */
export function parentIn(context: SpanContext | undefined): Context {
  return context === undefined ? ROOT_CONTEXT : trace.setSpanContext(ROOT_CONTEXT, context);
}

export function isSampledIn({ traceFlags }: Pick<SpanContext, 'traceFlags'>): boolean {
  return (traceFlags & TraceFlags.SAMPLED) !== 0;
}

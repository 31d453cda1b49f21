import type { TraceContext } from '../core/message/trace-context.ts';
import { traceparentOf } from '../core/message/trace-context.ts';

/** Returns the context of the span that is active in the caller's code; undefined if there is none. */
export type ActiveTrace = () => TraceContext | undefined;

/** The bit of the flags that says that the span is recorded. */
const sampled = 1;

/**
 * Resolves with the way to the active span of OpenTelemetry; undefined if its API is not installed. The API is an optional package. An SDK
 * may be registered later: without one, no span is active.
 */
export async function findActiveTrace(): Promise<ActiveTrace | undefined> {
  const api = await import('@opentelemetry/api').catch(() => undefined);
  if (api === undefined) return undefined;
  const { trace, isSpanContextValid } = api;
  return () => {
    const context = trace.getActiveSpan()?.spanContext();
    if (context === undefined || !isSpanContextValid(context)) return undefined;
    const { traceId, spanId, traceFlags, traceState } = context;
    const isSampled = (traceFlags & sampled) !== 0;
    const tracestate = traceState?.serialize() ?? '';
    return {
      traceparent: traceparentOf({ traceId, spanId, isSampled }),
      ...(tracestate !== '' && { tracestate }),
    };
  };
}

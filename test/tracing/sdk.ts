import { context, trace } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { InMemorySpanExporter, SimpleSpanProcessor, TracerProvider } from '@opentelemetry/sdk-trace';
import { registeredTracing, type Tracing } from '../../src/tracing/tracing.ts';

export type { ReadableSpan } from '@opentelemetry/sdk-trace';

/** Registers the SDK in this process, as an operator's module does. Returns the exporter, which keeps the spans that have ended. */
export function registerSdk(): InMemorySpanExporter {
  const exporter = new InMemorySpanExporter();
  context.setGlobalContextManager(new AsyncLocalStorageContextManager());
  trace.setGlobalTracerProvider(
    new TracerProvider({ spanProcessors: [new SimpleSpanProcessor({ exporter })] }),
  );
  return exporter;
}

/** Tracing with the registered SDK. */
export function tracingHere(): Tracing {
  const tracing = registeredTracing();
  if (tracing === undefined) throw new Error('the SDK is not found');
  return tracing;
}

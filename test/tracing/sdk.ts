import { InMemorySpanExporter, NodeTracerProvider, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-node';
import { registeredTracing, type Tracing } from '../../src/tracing/tracing.ts';

export type { ReadableSpan } from '@opentelemetry/sdk-trace-node';

/** Registers the SDK in this process, as an operator's module does. Returns the exporter, which keeps the spans that have ended. */
export function registerSdk(): InMemorySpanExporter {
  const exporter = new InMemorySpanExporter();
  new NodeTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] }).register();
  return exporter;
}

/** Tracing with the registered SDK. */
export function tracingHere(): Tracing {
  const tracing = registeredTracing();
  if (tracing === undefined) throw new Error('the SDK is not found');
  return tracing;
}

import { InMemorySpanExporter, NodeTracerProvider, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-node';

export type { ReadableSpan } from '@opentelemetry/sdk-trace-node';

/** Registers the SDK in this process, as an operator's module does. Returns the exporter, which keeps the spans that have ended. */
export function registerSdk(): InMemorySpanExporter {
  const exporter = new InMemorySpanExporter();
  new NodeTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] }).register();
  return exporter;
}

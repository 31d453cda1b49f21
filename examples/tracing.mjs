// Spans of a replica: to an OTLP collector if OTEL_EXPORTER_OTLP_ENDPOINT is set (http://127.0.0.1:4318), to the terminal otherwise.
// Install @opentelemetry/sdk-trace and @opentelemetry/api beside this file, and for a collector @opentelemetry/exporter-trace-otlp-http. Then:
//   NODE_OPTIONS='--import ./tracing.mjs' conductor start --config conductor.yaml
import { isMainThread } from 'node:worker_threads';
import { trace } from '@opentelemetry/api';
import { resourceFromAttributes } from '@opentelemetry/resources';
import {
  BatchSpanProcessor,
  ConsoleSpanExporter,
  ParentBasedSampler,
  TraceIdRatioBasedSampler,
  TracerProvider,
} from '@opentelemetry/sdk-trace';

async function createExporter() {
  if (process.env.OTEL_EXPORTER_OTLP_ENDPOINT === undefined) return new ConsoleSpanExporter();
  const { OTLPTraceExporter } = await import('@opentelemetry/exporter-trace-otlp-http');
  return new OTLPTraceExporter();
}

// A worker thread of the conductor runs this file too. All spans are made in the main thread.
if (isMainThread) {
  const provider = new TracerProvider({
    resource: resourceFromAttributes({ 'service.name': process.env.OTEL_SERVICE_NAME ?? 'conductor' }),
    // What a sender records is recorded here. Of the batches, and of the calls without a sender's span, one in ten is.
    sampler: new ParentBasedSampler({
      root: new TraceIdRatioBasedSampler(Number(process.env.OTEL_TRACES_SAMPLER_ARG ?? 0.1)),
    }),
    // Bounded: if spans come faster than they can be exported, it drops them.
    spanProcessors: [
      new BatchSpanProcessor({ exporter: await createExporter(), scheduledDelayMillis: 1000 }),
    ],
  });
  trace.setGlobalTracerProvider(provider);
}

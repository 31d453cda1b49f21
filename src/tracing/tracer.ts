import { type Tracer, trace } from '@opentelemetry/api';
import { version } from '../core/version.ts';

const scope = 'conductor-gateway';

/** The tracer of the SDK that is registered in this process; undefined if there is none. Asked once, at the start of a replica. */
export function registeredTracer(): Tracer | undefined {
  const provider: object = trace.getTracerProvider();
  // The API has a provider of its own, which passes each question on to the provider of an SDK.
  if ('getDelegateTracer' in provider && typeof provider.getDelegateTracer === 'function') {
    const tracer: Tracer | undefined = provider.getDelegateTracer(scope, version);
    return tracer;
  }
  return trace.getTracer(scope, version);
}

import { type Tracer, trace } from '@opentelemetry/api';
import { version } from '../core/version.ts';

const scope = 'conductor-gateway';

/** The tracer of the SDK that is registered in this process; undefined if there is none. Asked once, at the start of a replica. */
export function registeredTracer(): Tracer | undefined {
  const provider: object = trace.getTracerProvider();
  // The provider of the API stands for the one that an SDK registers.
  if ('getDelegateTracer' in provider && typeof provider.getDelegateTracer === 'function') {
    const tracer: Tracer | undefined = provider.getDelegateTracer(scope, version);
    return tracer;
  }
  return trace.getTracer(scope, version);
}

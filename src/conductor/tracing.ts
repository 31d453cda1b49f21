import type { DispatcherOptions } from '../core/gateway/dispatcher.ts';
import type { BatchResult, CallResult, CallRun, RunAgainFigures } from '../core/message/outcome.ts';
import type { Delivery } from '../core/transport/contract.ts';
import type { Tracing } from '../tracing/tracing.ts';

interface Runs {
  /** @param traceId of the trace that the transactions belong to; left out if tracing is off. */
  readonly run: (transport: string, batch: ReadonlyArray<Delivery>, traceId?: string) => Promise<BatchResult>;
  readonly call: (transport: string, call: Delivery, run: CallRun, traceId?: string) => Promise<CallResult>;
}

/** The runs of batches and calls, each within a span; the same functions if tracing is off. */
export function withSpans(
  { run, call }: Runs,
  tracing: Tracing | undefined,
): Pick<DispatcherOptions, 'run' | 'call' | 'traceOf'> {
  if (tracing === undefined) return { run, call };
  return {
    run: (transport, batch) => tracing.batch(transport, batch, (traceId) => run(transport, batch, traceId)),
    call: (transport, delivery, how) =>
      tracing.call(transport, delivery, (traceId) => call(transport, delivery, how, traceId)),
    traceOf: tracing.traceOf,
  };
}

/** Rounds of retries and redrives of a transport, with their spans; the same functions if tracing is off. */
export function roundsWithSpans<Retries extends RunAgainFigures, Redrives extends RunAgainFigures>(
  { retry, redrive }: Rounds<Retries, Redrives>,
  tracing: Tracing | undefined,
): Rounds<Retries, Redrives> {
  if (tracing === undefined) return { retry, redrive };
  return {
    retry: (transport) => tracing.again('retry', transport, () => retry(transport)),
    redrive: (transport) => tracing.again('redrive', transport, () => redrive(transport)),
  };
}

interface Rounds<Retries, Redrives> {
  readonly retry: (transport: string) => Promise<Retries>;
  readonly redrive: (transport: string) => Promise<Redrives>;
}

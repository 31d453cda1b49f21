import type { Histograms } from '../../core/gateway/counters.ts';
import { latencyBounds, sizeBounds } from '../../core/histogram.ts';
import type { Metric } from './metric.ts';

function histogram(
  name: string,
  help: string,
  of: keyof Histograms,
  bounds: ReadonlyArray<number> = latencyBounds,
): Metric {
  return {
    name,
    type: 'histogram',
    help,
    labels: ['transport'],
    bounds,
    read: ({ counters }) => [...counters].map(([transport, { histograms }]) => [[transport], histograms[of]]),
  };
}

/** The stages of a message: sent, received, committed, settled. */
export const latencyMetrics: readonly Metric[] = [
  histogram(
    'conductor_send_to_commit_seconds',
    "From the sending of a cast, by its guest's clock, to its commit. A clock that is ahead counts as 0.",
    'sendToCommit',
  ),
  histogram(
    'conductor_receive_to_commit_seconds',
    'From the arrival of a message to its commit. Calls do not count.',
    'receiveToCommit',
  ),
  histogram(
    'conductor_commit_to_settle_seconds',
    'From the commit of a message to the moment at which its acknowledgement is handed to the connection.',
    'commitToSettle',
  ),
  histogram('conductor_batch_seconds', 'From the start of a batch to its result.', 'batch'),
  histogram('conductor_batch_messages', 'Messages of a batch.', 'batchSize', sizeBounds),
  histogram('conductor_call_seconds', 'One run of a call, until its answer is published.', 'call'),
];

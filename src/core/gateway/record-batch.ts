import { type BatchResult, HELD, outcomeKinds } from '../message/outcome.ts';
import type { Delivery } from '../transport/contract.ts';
import { type Counters, localTime } from './counters.ts';

/**
 * Records a batch in the histograms of its transport, after its messages were settled.
 *
 * @param startedAt milliseconds of `performance.now()`.
 */
export function recordBatch(
  counters: Counters,
  deliveries: ReadonlyArray<Delivery>,
  { codes, figures }: BatchResult,
  startedAt: number,
): void {
  const { batchSize, batch, receiveToCommit, commitToSettle } = counters.histograms;
  const now = performance.now();
  batchSize.record(deliveries.length);
  batch.record((now - startedAt) / 1000);
  if (figures === undefined) return;
  counters.addFigures(figures);
  const committedAt = localTime(figures.committedAt);
  let settled = 0;
  for (let index = 0; index < deliveries.length; index += 1) {
    // A call or a held message.
    if ((codes[index] ?? HELD) >= outcomeKinds.length) continue;
    settled += 1;
    receiveToCommit.record((committedAt - (deliveries[index]?.meta.receivedAt ?? committedAt)) / 1000);
  }
  commitToSettle.record((now - committedAt) / 1000, settled);
}

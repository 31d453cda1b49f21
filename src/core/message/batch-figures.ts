import type { HistogramCounts } from '../histogram.ts';

/** A worker's figures about a batch: a few numbers, whatever its size. */
export interface BatchFigures {
  /** The outcomes of the casts by method, each in the order of `outcomeKinds`. The names are those of the method table, or `otherMethod`. */
  readonly methods: ReadonlyArray<readonly [method: string, counts: ReadonlyArray<number>]>;
  /** Seconds from the time of sending, by the guest's clock, to the commit; of the casts that say when they were sent. */
  readonly sendToCommit: HistogramCounts;
  /** When the batch was committed: milliseconds of `monotonic`. */
  readonly committedAt: number;
}

/** The method of a message whose method is unknown. A sender may write any name, and a metric must not have any number of names. */
export const otherMethod = '(other)';

/** Milliseconds of a clock that all threads of the process share. `performance.now()` begins anew in each thread. */
export function monotonic(): number {
  const [seconds, nanoseconds] = process.hrtime();
  return seconds * 1000 + nanoseconds / 1e6;
}

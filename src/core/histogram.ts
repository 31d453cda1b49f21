/** Counts values by fixed buckets, so that a value costs a few comparisons and no memory. */

/** Seconds: the upper bounds of the buckets of latencies. */
export const latencyBounds: readonly number[] = [
  0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300,
];

/** The upper bounds of the buckets of batch sizes, in messages. */
export const sizeBounds: readonly number[] = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000];

/** The content of a histogram. It crosses the thread boundary. */
export interface HistogramCounts {
  /** Values by bucket, not cumulated. The last one has the values above all bounds. */
  readonly counts: ReadonlyArray<number>;
  readonly sum: number;
}

/** A histogram with fixed buckets. A bucket has the values up to its bound, the bound included. */
export class Histogram implements HistogramCounts {
  readonly bounds: readonly number[];
  readonly counts: number[];
  sum = 0;
  /** The bucket of the last value. The next one is likely to fall into it too. */
  private last = 0;

  /** @param bounds ascending. */
  constructor(bounds: readonly number[]) {
    this.bounds = bounds;
    this.counts = new Array<number>(bounds.length + 1).fill(0);
  }

  /** Counts a value, or several that are equal. */
  record(value: number, times = 1): void {
    const { bounds } = this;
    let bucket = this.last;
    while (bucket > 0 && value <= (bounds[bucket - 1] ?? 0)) bucket -= 1;
    while (bucket < bounds.length && value > (bounds[bucket] ?? 0)) bucket += 1;
    this.last = bucket;
    this.counts[bucket] = (this.counts[bucket] ?? 0) + times;
    this.sum += value * times;
  }

  /** Adds the content of a histogram with the same bounds. */
  add({ counts, sum }: HistogramCounts): void {
    for (let bucket = 0; bucket < this.counts.length; bucket += 1)
      this.counts[bucket] = (this.counts[bucket] ?? 0) + (counts[bucket] ?? 0);
    this.sum += sum;
  }
}

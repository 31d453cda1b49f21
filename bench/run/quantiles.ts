import { createHistogram } from 'node:perf_hooks';
import type { Quantiles } from '../../src/core/sizing/figures.ts';

/** Quantiles of times in milliseconds, by an HdrHistogram of microseconds with three digits. Null without a time. */
export function quantilesOf(milliseconds: ReadonlyArray<number>): Quantiles | null {
  if (milliseconds.length === 0) return null;
  const histogram = createHistogram({ figures: 3 });
  // A clock's fraction may make a time negative. The histogram begins at one.
  for (const value of milliseconds) histogram.record(Math.max(1, Math.round(value * 1000)));
  const at = (percentile: number) => histogram.percentile(percentile) / 1000;
  return {
    count: milliseconds.length,
    p50: at(50),
    p90: at(90),
    p99: at(99),
    p999: at(99.9),
    max: histogram.max / 1000,
  };
}

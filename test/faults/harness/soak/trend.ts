/** Whether a figure grows over a run: a test that one high value, or a saw tooth, does not mislead. */

export interface Trend {
  readonly median: number;
  /** The median of the slopes between all pairs of values (Theil and Sen), times the length of the run. */
  readonly growth: number;
  /** Mann and Kendall's test: how many standard deviations more pairs rise than by chance. */
  readonly deviations: number;
}

/** What a figure may grow by over the run; beyond both it counts as growth. */
export interface Tolerance {
  /** Of the median. */
  readonly share: number;
  /** In the figure's own unit. */
  readonly least: number;
}

/** One chance in a hundred. Values that hang together make it likelier, so the growth has to be large as well. */
const significant = 2.33;

/** @param values at equal distances in time. */
export function trendOf(values: ReadonlyArray<number>): Trend {
  const count = values.length;
  const slopes: number[] = [];
  let rises = 0;
  for (let i = 0; i < count; i += 1)
    for (let j = i + 1; j < count; j += 1) {
      const difference = (values[j] ?? 0) - (values[i] ?? 0);
      slopes.push(difference / (j - i));
      rises += Math.sign(difference);
    }
  const variance = (count * (count - 1) * (2 * count + 5) - tieTerm(values)) / 18;
  return {
    median: medianOf(values),
    growth: medianOf(slopes) * Math.max(0, count - 1),
    deviations: variance > 0 ? (rises - Math.sign(rises)) / Math.sqrt(variance) : 0,
  };
}

export function grows({ median, growth, deviations }: Trend, { share, least }: Tolerance): boolean {
  return deviations > significant && growth > Math.max(share * median, least);
}

/** The lowest value of each so many: of a heap, what is left after the garbage is collected. */
export function floorsOf(values: ReadonlyArray<number>, every: number): number[] {
  const count = Math.floor(values.length / every);
  return Array.from({ length: count }, (_, n) => Math.min(...values.slice(n * every, (n + 1) * every)));
}

export function medianOf(values: ReadonlyArray<number>): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  const [low = 0, high = 0] = [sorted[middle - 1], sorted[middle]];
  return sorted.length % 2 === 1 ? high : (low + high) / 2;
}

function tieTerm(values: ReadonlyArray<number>): number {
  const groups = Map.groupBy(values, (value) => value);
  return [...groups.values()].reduce((sum, { length: n }) => sum + n * (n - 1) * (2 * n + 5), 0);
}

/** The figures of a soak, and which of them grow. */
import { align } from '../report.ts';
import type { Series } from './sampling.ts';
import { floorsOf, grows, medianOf, trendOf } from './trend.ts';

/** Of a saw tooth, the lowest of so many values counts. */
const tooth = 6;
/** Mebibytes, milliseconds, rows: an empty table has less. */
const negligible = 0.05;

/** What grows, in words; empty if nothing does. */
export function growing(series: ReadonlyArray<Series>): string[] {
  return series.flatMap((one) => {
    const trend = trendOf(judged(one));
    return grows(trend, one.tolerance)
      ? [
          `${one.name} grows: by ${format(trend.growth)} ${one.unit}, of ${format(trend.median)} in the median`,
        ]
      : [];
  });
}

/** A table in Markdown. Tables and figures that are about nothing all the time are left out. */
export function soakTable(series: ReadonlyArray<Series>): string[] {
  const head = ['figure', 'unit', 'first third', 'last third', 'lowest', 'highest', 'trend', 'grows'];
  const rows = series
    .filter(({ values }) => Math.max(...values) > negligible)
    .map((one) => {
      const values = judged(one);
      const third = Math.ceil(values.length / 3);
      const trend = trendOf(values);
      const cells = [
        medianOf(values.slice(0, third)),
        medianOf(values.slice(-third)),
        Math.min(...one.values),
        Math.max(...one.values),
        trend.growth,
      ];
      return [one.name, one.unit, ...cells.map(format), grows(trend, one.tolerance) ? 'yes' : 'no'];
    });
  return align([head, ...rows]);
}

function judged({ values, isSawtooth }: Series): number[] {
  const floors = isSawtooth ? floorsOf(values, tooth) : [];
  // A short run has too few.
  return floors.length >= 4 ? floors : [...values];
}

const format = (value: number) =>
  value.toLocaleString('en-US', { maximumFractionDigits: Math.abs(value) < 100 ? 1 : 0 });

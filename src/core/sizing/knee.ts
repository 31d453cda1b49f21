import type { RunFigures } from './figures.ts';

/** Milliseconds of `limit` where none is told. */
export const usualLimit = 250;

/** Milliseconds within which 99 % of a run's messages were committed, or settled where the time of the commit is not known. */
export function p99Of({ latency }: Pick<RunFigures, 'latency'>): number | undefined {
  return (latency.commit ?? latency.settle ?? latency.work)?.p99;
}

/** Whether a run kept up with what it was offered, and within a limit of latency. */
export function isWithin(run: RunFigures, limit: number): boolean {
  return run.keepsUp && (p99Of(run) ?? Number.POSITIVE_INFINITY) <= limit;
}

/** The run at the greatest rate within a limit; undefined if there is none. */
export function kneeOf(runs: ReadonlyArray<RunFigures>, limit = usualLimit): RunFigures | undefined {
  return runs
    .filter((run) => run.offered !== null && isWithin(run, limit))
    .reduce<RunFigures | undefined>(
      (best, run) => (best === undefined || run.rate > best.rate ? run : best),
      undefined,
    );
}

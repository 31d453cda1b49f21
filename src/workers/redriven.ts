import type { RunAgainFigures } from '../core/message/outcome.ts';

/** The letters of one transport that a worker redrives. */
export interface RedriveTask {
  readonly transport: string;
  readonly ids: ReadonlyArray<string>;
}

/** The result of redriving some letters. */
export interface RedriveResult extends RunAgainFigures {
  /** Letters by their outcome. `refused`: they cannot be redriven as they are. `held`: they wait on. */
  readonly outcomes: Readonly<Record<string, number>>;
  /** Whether notifications were stored. They can be published now. */
  readonly notifies: boolean;
}

/** Sums up results. */
export function sumOf(results: ReadonlyArray<RedriveResult>): RedriveResult {
  const outcomes: Record<string, number> = {};
  for (const result of results)
    for (const [outcome, count] of Object.entries(result.outcomes))
      outcomes[outcome] = (outcomes[outcome] ?? 0) + count;
  const failedBecause = results.find((one) => one.failedBecause !== undefined)?.failedBecause;
  return {
    outcomes,
    notifies: results.some(({ notifies }) => notifies),
    traces: results.flatMap(({ traces = [] }) => traces),
    ...(failedBecause !== undefined && { failedBecause }),
  };
}

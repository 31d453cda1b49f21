import type { RunFigures } from '../../src/core/sizing/figures.ts';
import { isWithin } from '../../src/core/sizing/knee.ts';

/** The search for the knee: the greatest rate that a set-up keeps up with, within a limit of latency. */

export interface KneeOptions {
  /** Messages a second of the first step. */
  readonly first: number;
  /** Milliseconds that 99 % of the messages may take. */
  readonly limit: number;
  /** Steps at most. */
  readonly steps: number;
}

/** The rate grows by this factor until a step fails. */
const growth = 2;
/** Two rates that are closer than this are not told apart. */
const closeness = 1.08;

/** A rate counts as too high once it has failed so often, since a pause of the machine or a checkpoint of Postgres may spoil one run. */
const failures = 2;

/** The next rate to measure; undefined if the knee is known well enough. */
export function nextRate(
  runs: ReadonlyArray<RunFigures>,
  { first, limit, steps }: KneeOptions,
): number | undefined {
  if (runs.length >= steps) return undefined;
  const byRate = [...Map.groupBy(runs, ({ offered }) => offered ?? 0)];
  const isGood = (those: ReadonlyArray<RunFigures>) => those.some((run) => isWithin(run, limit));
  const again = byRate.find(([, those]) => !isGood(those) && those.length < failures);
  if (again !== undefined) return again[0];
  const good = Math.max(0, ...byRate.filter(([, those]) => isGood(those)).map(([rate]) => rate));
  const bad = Math.min(...byRate.filter(([, those]) => !isGood(those)).map(([rate]) => rate));
  if (bad === Number.POSITIVE_INFINITY) return good === 0 ? first : good * growth;
  // A machine that does not keep up with the first rate is asked for less.
  if (good === 0) return bad / growth;
  return bad / good < closeness ? undefined : Math.round(Math.sqrt(good * bad));
}

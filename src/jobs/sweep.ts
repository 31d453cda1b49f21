import { pause } from '../core/backoff.ts';
import type { JobFigures } from '../core/job-figures.ts';
import type { Logger } from '../core/logger.ts';
import { LineBudget, Outage } from '../core/quiet-log.ts';
import { takeCensus } from './census.ts';
import type { Job, JobsDatabase } from './contract.ts';
import type { CensusLimits } from './sql/count-portion.ts';
import { findOldestUnsettled } from './sql/find-oldest-unsettled.ts';
import { markSilent, markStep } from './sql/mark-silent.ts';
import { judge, reasonOfPeer, reasonToWait, type SweepLimits, type Witness } from './sweep-policy.ts';

export interface SweepOptions extends SweepLimits, CensusLimits {
  /** Nothing is marked; the log tells what would be. */
  readonly isDryRun: boolean;
  /** Milliseconds between two rounds. */
  readonly interval: number;
  /** Milliseconds without a sign of life after which a replica holds no messages any more. */
  readonly goneAfter: number;
  readonly database: JobsDatabase;
  readonly witness: () => Witness;
  readonly figures: JobFigures;
  readonly logger: Logger;
}

/** Lines about marked instances: some at once, then one in a minute, with the sums since the last one. */
const lines = { atOnce: 3, interval: 60_000 };
/** Ids in one line. */
const sample = 5;
/** The pause after a step, as a multiple of its time, so that heartbeats have the database for themselves a fifth of the time. */
const rest = 0.25;

/** Finds guests that are silent. Their instances become `unknown`, builds beyond their time `guestagent error`. */
export function sweepJob(options: SweepOptions): Job {
  const { database, logger, isDryRun, witness, goneAfter, figures } = options;
  const waiting = new Outage();
  const suspicion = new Outage();
  const slowness = new Outage();
  const budget = new LineBudget(lines.atOnce, lines.interval);
  let sum = 0;

  const report = (count: number, ids: ReadonlyArray<string>) => {
    sum += count;
    figures.sweepMarked += count;
    if (count === 0 || budget.take() === undefined) return;
    const text = isDryRun
      ? 'guests are silent; nothing is marked (sweep.mode: dry-run)'
      : 'guests are silent: their instances are unknown now, their builds failed';
    logger.warn({ code: 'guests-silent', instances: sum, sample: ids.slice(0, sample) }, text);
    sum = 0;
  };

  const wait = (because: string) => {
    figures.sweepRounds.waited += 1;
    if (waiting.fail('')) logger.info({ because }, 'the sweep judges nobody for now');
    return {};
  };

  const reason = async () =>
    reasonToWait(witness(), options) ??
    reasonOfPeer(await database.transaction((db) => findOldestUnsettled(db, goneAfter)), options);

  return {
    name: 'sweep',
    every: options.interval,
    async run(signal) {
      const before = await reason();
      if (before !== undefined) return wait(before);
      const census = await takeCensus(database, options, signal);
      if (census === undefined) return {};
      const { watched, late, silent, overdue } = census;
      figures.fleet = { at: Date.now(), watched, late, silent, overdue };
      const verdict = judge(census, options);
      if ('because' in verdict) {
        if (!verdict.isSuspect) return wait(verdict.because);
        figures.sweepRounds.suspect += 1;
        if (suspicion.fail(''))
          logger.warn(
            { code: 'sweep-suspect', because: verdict.because },
            'nearly all guests are silent: the fault is probably ours, so the sweep marks nobody (sweep.suspect)',
          );
        return {};
      }
      figures.sweepRounds.judged += 1;
      if (waiting.end()) logger.info('the sweep judges again');
      if (suspicion.end()) logger.info('most guests are heard again');
      const { marks, slowly } = verdict;
      if (!slowly) slowness.end();
      else if (slowness.fail(''))
        logger.warn(
          { code: 'sweep-slow', silent, overdue, watched },
          'more guests are silent than may be marked in a minute (sweep.maxShare): the sweep goes on slowly',
        );
      const ids = census.ids.slice(0, marks);
      if (isDryRun) {
        report(ids.length, ids);
        return {};
      }
      let marked = 0;
      for (let start = 0; start < ids.length && !signal.aborted; start += markStep) {
        const began = performance.now();
        // An outage may begin in the middle of a round.
        if ((await reason()) !== undefined) break;
        const step = ids.slice(start, start + markStep).sort();
        marked += await database.transaction((db) => markSilent(db, step, options));
        if (start + markStep < ids.length) await pause(rest * (performance.now() - began), signal);
      }
      report(marked, ids);
      return {};
    },
  };
}

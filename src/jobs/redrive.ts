import type { Logger } from '../core/logger.ts';
import { LineBudget, Outage } from '../core/quiet-log.ts';
import { type Job, perTransport } from './contract.ts';

/** The result of redriving one batch. */
interface Redrives {
  /** Dead letters by their outcome. */
  readonly outcomes: Readonly<Record<string, number>>;
  readonly isUnfinished: boolean;
  readonly failedBecause?: string;
}

export interface RedriveOptions {
  readonly transport: string;
  readonly redrive: () => Promise<Redrives>;
  readonly logger: Logger;
}

/** Milliseconds between two rounds. The rate of a redrive is kept from one round to the next. */
const every = 1000;

/** Batches in one round, at most. Then other replicas may go on. */
const maxBatches = 20;

/** Lines about redriven letters: some at once, then one in ten seconds, with the sums since the last one. */
const lines = { atOnce: 3, interval: 10_000 };

/** Redrives the dead letters of one transport that are due, in batches. */
export function redriveJob({ transport, redrive, logger }: RedriveOptions): Job {
  const budget = new LineBudget(lines.atOnce, lines.interval);
  const outage = new Outage();
  let sums: Record<string, number> = {};
  return {
    name: perTransport('redrive', transport),
    every,
    async run(signal) {
      let isUnfinished = true;
      let failedBecause: string | undefined;
      for (let batches = 0; isUnfinished && batches < maxBatches && !signal.aborted; batches += 1) {
        const batch = await redrive();
        for (const [outcome, count] of Object.entries(batch.outcomes))
          sums[outcome] = (sums[outcome] ?? 0) + count;
        ({ isUnfinished, failedBecause } = batch);
      }
      if (Object.keys(sums).length > 0 && budget.take() !== undefined) {
        logger.info(sums, 'redrove dead letters');
        sums = {};
      }
      if (failedBecause === undefined) {
        if (outage.end()) logger.info('dead letters are redriven again');
        return { isUnfinished };
      }
      if (outage.fail(failedBecause))
        logger.warn({ because: failedBecause }, 'the redrive of dead letters waits');
      return { failedBecause };
    },
  };
}

import { pause } from '../core/backoff.ts';
import type { Logger } from '../core/logger.ts';
import { LineBudget, Outage } from '../core/quiet-log.ts';
import { type Job, perTransport } from './contract.ts';

/** The result of redriving one batch. */
interface Redrives {
  /** Dead letters by their outcome. */
  readonly outcomes: Readonly<Record<string, number>>;
  readonly isUnfinished: boolean;
  /** Milliseconds until the next letter is due; null if none waits. */
  readonly nextIn: number | null;
  readonly failedBecause?: string;
}

export interface RedriveOptions {
  readonly transport: string;
  readonly redrive: () => Promise<Redrives>;
  readonly logger: Logger;
}

/** Milliseconds between two rounds while nobody redrives. */
const every = 5000;

/** Milliseconds: the longest round, and the shortest and longest wait in it for letters that become due. */
const round = 10_000;
const wait = { least: 250, most: 2000 };

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
      const end = performance.now() + round;
      let isUnfinished = true;
      let failedBecause: string | undefined;
      while (isUnfinished && !signal.aborted && performance.now() < end) {
        const batch = await redrive();
        for (const [outcome, count] of Object.entries(batch.outcomes))
          sums[outcome] = (sums[outcome] ?? 0) + count;
        ({ isUnfinished, failedBecause } = batch);
        // A redrive with a rate. Its letters become due one after the other.
        if (isUnfinished || failedBecause !== undefined || (batch.nextIn ?? wait.most) >= wait.most) continue;
        isUnfinished = true;
        await pause(Math.max(wait.least, batch.nextIn ?? 0), signal);
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
        logger.warn({ code: 'redrive-waits', because: failedBecause }, 'the redrive of dead letters waits');
      return { failedBecause };
    },
  };
}

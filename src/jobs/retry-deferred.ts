import type { Logger } from '../core/logger.ts';
import { LineBudget, Outage } from '../core/quiet-log.ts';
import { type Job, perTransport } from './contract.ts';

/** The result of one round of retries. */
interface Retries {
  /** Deferred messages that were due. */
  readonly retried: number;
  /** Those of them that no longer wait. */
  readonly resolved: number;
  readonly isUnfinished: boolean;
  readonly failedBecause?: string;
}

export interface RetryDeferredOptions {
  readonly transport: string;
  /** Milliseconds between two rounds. */
  readonly interval: number;
  readonly retry: () => Promise<Retries>;
  readonly logger: Logger;
}

/** Lines about retried messages: some at once, then one in ten seconds, with the sums since the last one. */
const lines = { atOnce: 3, interval: 10_000 };

/** Retries the deferred messages of one transport that are due. */
export function retryDeferredJob({ transport, interval, retry, logger }: RetryDeferredOptions): Job {
  const budget = new LineBudget(lines.atOnce, lines.interval);
  const outage = new Outage();
  const sums = { retried: 0, resolved: 0 };
  return {
    name: perTransport('retry-deferred', transport),
    every: interval,
    async run() {
      const { retried, resolved, isUnfinished, failedBecause } = await retry();
      sums.retried += retried;
      sums.resolved += resolved;
      if (retried > 0 && budget.take() !== undefined) {
        logger.info({ ...sums }, 'retried deferred messages');
        sums.retried = 0;
        sums.resolved = 0;
      }
      if (failedBecause === undefined) {
        if (outage.end()) logger.info('deferred messages are retried again');
        return { isUnfinished };
      }
      if (outage.fail(failedBecause))
        logger.warn({ code: 'deferred-wait', because: failedBecause }, 'deferred messages wait');
      return { failedBecause };
    },
  };
}

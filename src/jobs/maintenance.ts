import { type BackoffOptions, fullJitter, pause } from '../core/backoff.ts';
import type { Logger } from '../core/logger.ts';
import { LineBudget, Outage } from '../core/quiet-log.ts';

/** The result of one round. */
interface MaintenanceRound {
  /** Deferred messages that were due. */
  readonly retried: number;
  readonly resolved: number;
  readonly trimmed: number;
  readonly failedBecause?: string;
}

export interface MaintenanceOptions {
  readonly round: () => Promise<MaintenanceRound>;
  /** Milliseconds between rounds. */
  readonly interval: number;
  /** Milliseconds between rounds that fail. */
  readonly backoff: BackoffOptions;
  readonly logger: Logger;
}

/** Lines about retried or deleted messages: some at once, then one in ten seconds, with the sums since the last one. */
const lines = { atOnce: 3, interval: 10_000 };

/** Retries deferred messages and keeps the tables bounded, round after round until it is stopped. */
export class Maintenance {
  private readonly options: MaintenanceOptions;
  private readonly stopping = new AbortController();
  private readonly outage = new Outage();
  private readonly budgets = {
    retried: new LineBudget(lines.atOnce, lines.interval),
    trimmed: new LineBudget(lines.atOnce, lines.interval),
  };
  private sums = { retried: 0, resolved: 0, trimmed: 0 };
  private loop: Promise<void> = Promise.resolve();

  constructor(options: MaintenanceOptions) {
    this.options = options;
  }

  /** Starts the rounds. The methods have to be loaded: an empty method table knows no deferred message. */
  start(): void {
    if (!this.stopping.signal.aborted) this.loop = this.run();
  }

  /** Resolves once the round under way has ended. */
  async stop(): Promise<void> {
    this.stopping.abort();
    await this.loop;
  }

  private async run(): Promise<void> {
    const { round, interval, backoff } = this.options;
    for (let failures = 0; !this.stopping.signal.aborted; ) {
      const done = await round();
      this.report(done);
      failures = done.failedBecause === undefined ? 0 : failures + 1;
      const delay = failures === 0 ? interval : interval + fullJitter(failures, backoff);
      await pause(delay, this.stopping.signal);
    }
  }

  private report({ retried, resolved, trimmed, failedBecause }: MaintenanceRound): void {
    const { logger } = this.options;
    const { budgets, outage, sums } = this;
    sums.retried += retried;
    sums.resolved += resolved;
    sums.trimmed += trimmed;
    if (retried > 0 && budgets.retried.take() !== undefined) {
      logger.info({ retried: sums.retried, resolved: sums.resolved }, 'retried deferred messages');
      sums.retried = 0;
      sums.resolved = 0;
    }
    if (trimmed > 0 && budgets.trimmed.take() !== undefined) {
      logger.warn(
        { trimmed: sums.trimmed },
        'deleted the oldest dead letters: there are too many (deadLetters.maxRows)',
      );
      sums.trimmed = 0;
    }
    if (failedBecause === undefined) {
      if (outage.end()) logger.info('deferred messages are retried again');
    } else if (outage.fail(failedBecause)) logger.warn({ because: failedBecause }, 'deferred messages wait');
  }
}

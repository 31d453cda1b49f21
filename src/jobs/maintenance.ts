import { type BackoffOptions, fullJitter, pause } from '../core/backoff.ts';
import type { Logger } from '../core/logger.ts';

/** One round of it, as far as this loop cares. */
interface MaintenanceRound {
  /** Deferred messages that were due and have been tried. */
  readonly retried: number;
  readonly resolved: number;
  readonly trimmed: number;
  readonly failedBecause?: string;
}

export interface MaintenanceOptions {
  readonly round: () => Promise<MaintenanceRound>;
  /** Milliseconds between rounds. */
  readonly interval: number;
  /** Between rounds that fail. */
  readonly backoff: BackoffOptions;
  readonly logger: Logger;
}

/** Retries deferred messages and keeps the tables bounded, round after round until it is stopped. */
export class Maintenance {
  private readonly stopping = new AbortController();
  private readonly loop: Promise<void>;

  constructor(options: MaintenanceOptions) {
    this.loop = this.run(options);
  }

  /** Resolves once the round under way has ended. */
  async stop(): Promise<void> {
    this.stopping.abort();
    await this.loop;
  }

  private async run({ round, interval, backoff, logger }: MaintenanceOptions): Promise<void> {
    for (let failures = 0; !this.stopping.signal.aborted; ) {
      const { retried, resolved, trimmed, failedBecause } = await round();
      if (retried > 0) logger.info({ retried, resolved }, 'retried deferred messages');
      if (trimmed > 0)
        logger.warn({ trimmed }, 'deleted the oldest dead letters: there are too many (deadLetters.maxRows)');
      if (failedBecause !== undefined) logger.warn({ because: failedBecause }, 'deferred messages wait');
      failures = failedBecause === undefined ? 0 : failures + 1;
      const delay = failures === 0 ? interval : interval + fullJitter(failures, backoff);
      await pause(delay, this.stopping.signal);
    }
  }
}

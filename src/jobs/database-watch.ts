import { pause } from '../core/backoff.ts';
import type { Logger } from '../core/logger.ts';
import { Outage } from '../core/quiet-log.ts';

export interface DatabaseWatchOptions {
  /** Asks the database. Resolves with what is wrong with it, if anything is. Never rejects. */
  readonly probe: () => Promise<string | undefined>;
  /** How many messages have been committed until now: while there are more each time, nobody need ask. */
  readonly committed: () => number;
  /** Whether messages are held: then the log knows already. */
  readonly isHeld: () => boolean;
  /** Milliseconds between two looks. */
  readonly interval: number;
  readonly logger: Logger;
}

/** Knows whether the database is there while nothing arrives that would show it. */
export class DatabaseWatch {
  private readonly options: DatabaseWatchOptions;
  private readonly stopping = new AbortController();
  private readonly outage = new Outage();
  private committed = 0;
  /** What is wrong with the database; undefined while it answers. */
  problem: string | undefined;

  constructor(options: DatabaseWatchOptions) {
    this.options = options;
  }

  start(): void {
    void this.run();
  }

  /** Asks no more. Does not wait for the answer of a database that may have none. */
  stop(): void {
    this.stopping.abort();
  }

  /** Never rejects. */
  private async run(): Promise<void> {
    const { signal } = this.stopping;
    while (!signal.aborted) {
      await this.look();
      await pause(this.options.interval, signal);
    }
  }

  private async look(): Promise<void> {
    const { probe, committed, isHeld, logger } = this.options;
    const now = committed();
    const isProven = now > this.committed;
    this.committed = now;
    this.problem = isProven ? undefined : await probe();
    if (this.stopping.signal.aborted) return;
    if (this.problem === undefined) {
      if (this.outage.end()) logger.info('the database answers again');
    } else if (!isHeld() && this.outage.fail(this.problem)) {
      logger.error(
        { because: this.problem },
        'the database is away: what comes will be held, nothing is lost',
      );
    }
  }
}

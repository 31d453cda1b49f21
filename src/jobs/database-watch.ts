import { pause } from '../core/backoff.ts';
import type { Logger } from '../core/logger.ts';
import { Outage } from '../core/quiet-log.ts';

export interface DatabaseWatchOptions {
  /** Asks the database. Resolves with its problem, or undefined. Never rejects. */
  readonly probe: () => Promise<string | undefined>;
  /** The number of messages committed so far. While it grows, the watch does not ask the database. */
  readonly committed: () => number;
  /** Whether messages are held. Then the log has a line already. */
  readonly isHeld: () => boolean;
  /** Milliseconds between two checks. */
  readonly interval: number;
  readonly logger: Logger;
}

/** Watches the database while no messages arrive that would show its state. */
export class DatabaseWatch {
  private readonly options: DatabaseWatchOptions;
  private readonly stopping = new AbortController();
  private readonly outage = new Outage();
  private committed = 0;
  /** The database's problem; undefined while it answers. */
  problem: string | undefined;
  /** Since when it has one. Milliseconds since the epoch. */
  problemSince: number | undefined;

  constructor(options: DatabaseWatchOptions) {
    this.options = options;
  }

  start(): void {
    void this.run();
  }

  /** Stops asking. Does not wait for an answer that is under way. */
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
    this.problemSince = this.problem === undefined ? undefined : (this.problemSince ?? Date.now());
    if (this.stopping.signal.aborted) return;
    if (this.problem === undefined) {
      if (this.outage.end()) logger.info('the database answers again');
    } else if (!isHeld() && this.outage.fail(this.problem)) {
      logger.error(
        { code: 'database-unreachable', because: this.problem },
        'the database is away: new messages will be held, none is lost',
      );
    }
  }
}

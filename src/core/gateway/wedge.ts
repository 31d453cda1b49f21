import type { Logger } from '../logger.ts';
import type { Counters } from './counters.ts';

export interface WedgeWatchOptions {
  /** Milliseconds without a settled message after which a replica that holds messages is wedged. 0: never. */
  readonly patience: number;
  /** By transport. */
  readonly counters: ReadonlyMap<string, Pick<Counters, 'received' | 'held' | 'waiting'>>;
  readonly isDatabaseAway: () => boolean;
  /** Whether messages are held, for a reason that the log has. */
  readonly isHeld: () => boolean;
  /** The job that is longest overdue: its name, and when it had to ask for its next round. Milliseconds of the monotonic clock. */
  readonly overdueJob: () => { readonly name: string; readonly dueAt: number } | undefined;
  readonly logger: Logger;
}

/** One batch or one job may take longer than `patience` by so much, while others go on. */
const single = 10;

/** Milliseconds between two looks, at most. */
const longestInterval = 1000;

interface Progress {
  settled: number;
  /** When a message was last settled, or none was held but calls that wait for a status. */
  at: number;
}

/**
 * Finds out that the replica itself no longer works, although nothing else is at fault: a batch that never comes back from its worker, a
 * job that hangs. Then only a restart helps, so liveness fails.
 */
export class WedgeWatch {
  private readonly options: WedgeWatchOptions;
  private readonly progress = new Map<string, Progress>();
  /** The start of each batch that runs, oldest first. */
  private readonly running = new Map<symbol, number>();
  private workersFail = false;
  private excusedAt = 0;
  private lookedAt = 0;
  private timer: NodeJS.Timeout | undefined;
  /** Why only a restart helps; undefined while the replica works. */
  because: string | undefined;

  constructor(options: WedgeWatchOptions) {
    this.options = options;
  }

  start(): void {
    const { patience } = this.options;
    if (patience === 0) return;
    this.lookedAt = performance.now();
    this.timer = setInterval(() => this.look(), this.interval).unref();
  }

  stop(): void {
    clearInterval(this.timer);
    this.because = undefined;
  }

  /** Runs a batch in a worker, and watches how long it takes. */
  async during<Result>(work: () => Promise<Result>): Promise<Result> {
    const batch = Symbol('batch');
    this.running.set(batch, performance.now());
    try {
      const result = await work();
      this.workersFail = false;
      return result;
    } catch (error) {
      // The messages are held then, but not because of the database.
      this.workersFail = true;
      throw error;
    } finally {
      this.running.delete(batch);
    }
  }

  private get interval(): number {
    return Math.min(longestInterval, this.options.patience / 4);
  }

  private look(): void {
    const { patience, isDatabaseAway, isHeld, logger } = this.options;
    const now = performance.now();
    // The whole process was frozen, or its host. The batches need time to go on.
    const wasFrozen = now - this.lookedAt > this.interval + patience / 2;
    this.lookedAt = now;
    const isExcused = isDatabaseAway() || (isHeld() && !this.workersFail);
    if (wasFrozen || isExcused) this.excusedAt = now;
    const because = this.wedgedTransport(now) ?? this.wedgedBatch(now) ?? this.wedgedJob(now);
    if (because !== undefined && this.because === undefined)
      logger.error(
        { code: 'wedged', because },
        'the replica is wedged: liveness fails, so that it is started again',
      );
    if (because === undefined && this.because !== undefined) logger.info('the replica is no longer wedged');
    this.because = because;
  }

  private wedgedTransport(now: number): string | undefined {
    const { counters, patience } = this.options;
    let because: string | undefined;
    for (const [name, { received, held, waiting }] of counters) {
      const settled = received - held;
      const last = this.progress.get(name);
      if (last === undefined || held === waiting || settled !== last.settled) {
        this.progress.set(name, { settled, at: now });
      } else if (now - Math.max(last.at, this.excusedAt) > patience) {
        because ??= `transports.${name}: messages are held, and none was settled for ${secondsOf(patience)}, although the database answers`;
      }
    }
    return because;
  }

  private wedgedBatch(now: number): string | undefined {
    const patience = single * this.options.patience;
    const [oldest = now] = this.running.values();
    return now - Math.max(oldest, this.excusedAt) > patience
      ? `a batch has not come back from its worker for ${secondsOf(patience)}, although the database answers`
      : undefined;
  }

  private wedgedJob(now: number): string | undefined {
    const patience = single * this.options.patience;
    const job = this.options.overdueJob();
    return job !== undefined && now - Math.max(job.dueAt, this.excusedAt) > patience
      ? `the job ${job.name} has not ended its round for ${secondsOf(patience)}, although the database answers`
      : undefined;
  }
}

function secondsOf(milliseconds: number): string {
  return `${milliseconds / 1000} s`;
}

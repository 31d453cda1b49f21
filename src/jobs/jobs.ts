import { type BackoffOptions, fullJitter, pause } from '../core/backoff.ts';
import type { DatabaseAddress } from '../core/config/database-hosts.ts';
import { messageOf } from '../core/errors.ts';
import { isObject } from '../core/json.ts';
import type { Logger } from '../core/logger.ts';
import { Outage } from '../core/quiet-log.ts';
import { Boss, type Claim, explained, heartbeatInterval } from './boss.ts';
import type { Job, JobResult, JobsConnections } from './contract.ts';

export interface JobsOptions {
  readonly jobs: ReadonlyArray<Job>;
  readonly connections: JobsConnections;
  /** The schema of pg-boss. */
  readonly schema: string;
  /** Between two starts of pg-boss, and between rounds that fail. */
  readonly backoff: BackoffOptions;
  readonly logger: Logger;
}

/** Milliseconds without a round of this replica, at least, before it looks after a job. */
const lookAfterMs = 15_000;

/** A job, and this replica's knowledge of it. */
interface Running {
  readonly job: Job;
  readonly outage: Outage;
  failures: number;
  /** When a round of this replica or of another one last succeeded. Milliseconds since the epoch. */
  lastSuccess: number | undefined;
  /** When it has to ask for its next round. Milliseconds of the monotonic clock. */
  dueAt: number;
}

/**
 * Runs the jobs of a replica, in a failure domain of their own: nothing that goes wrong here reaches the messages.
 *
 * ```
 * starting ──► running ──► (any error of pg-boss or of its tables) ──► waiting, with full jitter ──► starting
 * ```
 *
 * An error of a round itself changes no state: the round is reported and comes again.
 */
export class Jobs {
  private readonly options: JobsOptions;
  private readonly running: ReadonlyMap<string, Running>;
  private readonly stopping = new AbortController();
  private readonly outage = new Outage();
  private isRunning = false;
  private starts = 0;
  private loop: Promise<void> = Promise.resolve();
  private stopped: Promise<void> | undefined;
  /** Why no job can run at the moment; undefined while they can. */
  problem: string | undefined;

  constructor(options: JobsOptions) {
    this.options = options;
    this.running = new Map(
      options.jobs.map((job) => [
        job.name,
        { job, outage: new Outage(), failures: 0, lastSuccess: undefined, dueAt: 0 },
      ]),
    );
  }

  /** Starts the jobs. The methods have to be loaded: an empty method table knows no deferred message. */
  start(): void {
    if (this.stopping.signal.aborted) return;
    this.isRunning = true;
    this.loop = this.run();
  }

  /** Takes other credentials of the database, for new connections. */
  renew(address: DatabaseAddress): void {
    this.options.connections.renew(address);
  }

  /** Resolves once the rounds under way have ended. The connections stay open. A second call does nothing more. */
  stop(): Promise<void> {
    this.stopped ??= this.end();
    return this.stopped;
  }

  private async end(): Promise<void> {
    this.stopping.abort();
    await this.loop;
  }

  get names(): string[] {
    return [...this.running.keys()];
  }

  /**
   * When a round of this job last succeeded, on this replica or, as far as it knows, on another one. Milliseconds since the epoch.
   * Undefined if it knows of none. It may lag by the longer of 15 s and three intervals of the job.
   */
  lastSuccess(name: string): number | undefined {
    return this.running.get(name)?.lastSuccess;
  }

  /**
   * The job that has not asked for its next round for longest. While pg-boss or the database is away, the jobs go on asking. Undefined if
   * the jobs have not started.
   */
  get overdue(): { readonly name: string; readonly dueAt: number } | undefined {
    if (!this.isRunning) return undefined;
    const [first, ...others] = this.running.values();
    const oldest = others.reduce((one, other) => (one && other.dueAt > one.dueAt ? one : other), first);
    return oldest && { name: oldest.job.name, dueAt: oldest.dueAt };
  }

  /** Never rejects. */
  private async run(): Promise<void> {
    const { signal } = this.stopping;
    while (!signal.aborted) {
      await this.live();
      if (signal.aborted) return;
      await pause(fullJitter(this.starts, this.options.backoff), signal);
      this.starts += 1;
    }
  }

  /** One life of pg-boss. Resolves when it has ended. Never rejects. */
  private async live(): Promise<void> {
    const { connections, schema, jobs } = this.options;
    const ending = new AbortController();
    const signal = AbortSignal.any([this.stopping.signal, ending.signal]);
    const fail = (error: unknown) => {
      if (signal.aborted) return;
      this.report(error);
      ending.abort();
    };
    let boss: Boss | undefined;
    for (const one of this.running.values()) one.dueAt = performance.now();
    try {
      boss = await Boss.open(connections.boss, schema, jobs, fail);
      const opened = boss;
      await Promise.all(
        [...this.running.values()].map((one) => this.repeat(opened, one, signal).catch(fail)),
      );
    } catch (error) {
      fail(error);
    }
    await boss?.close();
  }

  private report(error: unknown): void {
    const { logger, schema } = this.options;
    const because = textOf(explained(error, schema));
    this.problem = because;
    if (this.outage.fail(because))
      logger.warn(
        { code: 'jobs-wait', because },
        'the jobs wait: deferred messages are not retried, and no table is trimmed',
      );
  }

  /** Competes for the rounds of a job until the signal is aborted. Rejects if pg-boss fails. */
  private async repeat(boss: Boss, running: Running, signal: AbortSignal): Promise<void> {
    const { job } = running;
    const patience = Math.max(lookAfterMs, 3 * job.every);
    // A new queue has no round yet.
    await this.lookAfter(boss, running);
    let heard = performance.now();
    while (!signal.aborted) {
      const claim = await boss.claim(job);
      this.answered();
      if (claim !== undefined) {
        const isUnfinished = await this.round(boss, running, claim, signal);
        heard = performance.now();
        running.dueAt = heard;
        if (isUnfinished) continue;
      } else if (performance.now() - heard > patience) {
        await this.lookAfter(boss, running);
        heard = performance.now();
      }
      // The jitter lets each replica win now and then.
      const delay = job.every * (1 + 0.2 * Math.random());
      running.dueAt = performance.now() + delay;
      await pause(delay, signal);
    }
  }

  /** pg-boss answers. */
  private answered(): void {
    this.starts = 0;
    this.problem = undefined;
    if (this.outage.end()) this.options.logger.info('the jobs run again');
  }

  private async lookAfter(boss: Boss, running: Running): Promise<void> {
    const known = await boss.lookAfter(running.job);
    if (known !== undefined) running.lastSuccess = Math.max(known, running.lastSuccess ?? known);
  }

  /** Runs a round. Resolves with whether the next one is due at once. Rejects if pg-boss fails. */
  private async round(boss: Boss, running: Running, claim: Claim, signal: AbortSignal): Promise<boolean> {
    const { job } = running;
    const lost = new AbortController();
    const alive = setInterval(() => {
      boss.touch(job, claim).then(
        (holds) => {
          if (!holds) lost.abort();
        },
        // Then the claim runs out, or the end of the round meets the same error.
        () => {},
      );
    }, heartbeatInterval);
    let result: JobResult;
    try {
      result = await job.run(AbortSignal.any([signal, lost.signal]));
    } catch (error) {
      result = { failedBecause: messageOf(error) };
      if (running.outage.fail(messageOf(error)))
        this.options.logger.warn(
          { code: 'job-failed', job: job.name, because: messageOf(error) },
          'a job fails; it is tried again',
        );
    } finally {
      clearInterval(alive);
    }
    const { failedBecause, isUnfinished = false } = result;
    if (failedBecause === undefined) {
      running.failures = 0;
      running.lastSuccess = Date.now();
      if (running.outage.end()) this.options.logger.info({ job: job.name }, 'a job succeeds again');
    } else {
      running.failures += 1;
    }
    const again = failedBecause === undefined && isUnfinished;
    await boss.finish(job, claim, again ? 0 : this.delay(running), running.lastSuccess);
    return again;
  }

  /** Milliseconds until the next round is due. */
  private delay({ job, failures }: Running): number {
    return failures === 0 ? job.every : job.every + fullJitter(failures, this.options.backoff);
  }
}

/** pg-boss reports some errors as objects that are no errors. */
function textOf(error: unknown): string {
  return !(error instanceof Error) && isObject(error) && typeof error.message === 'string'
    ? error.message
    : messageOf(error);
}

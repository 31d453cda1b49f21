import { Piscina } from 'piscina';
import { ConfigError, messageOf } from '../core/errors.ts';
import type { Logger } from '../core/logger.ts';
import type { ClaimedNotification, PublishedNotifications } from '../core/message/notification.ts';
import type { BatchResult, CallResult, CallRun } from '../core/message/outcome.ts';
import { LineBudget } from '../core/quiet-log.ts';
import { Semaphore } from '../core/semaphore.ts';
import type { Delivery } from '../core/transport/contract.ts';
import type { RetryResult } from './deferred.ts';
import { type PackedBatch, type PackedCall, pack } from './packing.ts';
import { joinResults, partSize } from './pool-parts.ts';
import { type RedriveRound, redriveRound } from './redrive-round.ts';
import type { WorkerSettings } from './settings.ts';

export interface PoolOptions {
  readonly threads: number;
  /** Bytes. A longer body is cut to a prefix, and its digest is added. */
  readonly maxBody: number;
  readonly settings: WorkerSettings;
  readonly logger: Logger;
}

/** Megabytes of JavaScript objects at which a thread is ended. A batch needs a small part of it. */
const heapLimit = { ordinary: 512, quarantine: 256 };

/**
 * The main thread's side of the workers. If a thread dies, no message of its batches is lost: they run again in the quarantine, in
 * small parts. If a part ends that thread too, each of its messages runs alone. One that ends its thread alone becomes a dead letter without
 * being read.
 */
export class WorkerPool {
  private readonly options: PoolOptions;
  private readonly ordinary: Piscina;
  private readonly quarantine: Piscina;
  /**
   * Only one part at a time is in the quarantine. When its thread ends, piscina never runs the tasks it has queued for that thread.
   * A task that the queue refuses would look like a message that ended the thread.
   */
  private readonly alone = new Semaphore(1);
  private readonly losses = new LineBudget(10, 1000);
  private closing = false;

  constructor(options: PoolOptions) {
    this.options = options;
    const { threads, settings } = options;
    const tasks = settings.concurrency + settings.calls.concurrency;
    this.ordinary = createPiscina(settings, threads, threads, tasks, heapLimit.ordinary);
    // Its thread starts when it is needed, and ends when it is idle.
    this.quarantine = createPiscina({ ...settings, concurrency: 1 }, 0, 1, 1, heapLimit.quarantine);
    for (const piscina of [this.ordinary, this.quarantine]) piscina.on('error', (error) => this.lost(error));
    // Lines of the threads for the operator. Each thread finds the same problem, so a line is logged once.
    const said = new Set<unknown>();
    this.ordinary.on('message', (line) => {
      if (typeof line === 'string' && !said.has(line)) options.logger.warn(line);
      said.add(line);
    });
  }

  /** Runs a batch. Messages that could not be committed are HELD. Rejects only while closing. */
  async run(transport: string, deliveries: ReadonlyArray<Delivery>): Promise<BatchResult> {
    try {
      return await this.send(this.ordinary, 'run', transport, deliveries);
    } catch (error) {
      if (this.closing) throw error;
      const { logger } = this.options;
      logger.error(
        { error: messageOf(error), messages: deliveries.length },
        'a worker died; its messages run again in small parts',
      );
      return this.runInParts(transport, deliveries, partSize(deliveries.length));
    }
  }

  /** Runs one call. Rejects only while closing. */
  async call(transport: string, delivery: Delivery, run: CallRun): Promise<CallResult> {
    const { logger } = this.options;
    const ways = [
      () => this.sendCall(this.ordinary, transport, delivery, run),
      () => this.inQuarantine(() => this.sendCall(this.quarantine, transport, delivery, run)),
    ];
    for (const send of ways) {
      try {
        return await send();
      } catch (error) {
        if (this.closing) throw error;
        logger.error({ error: messageOf(error) }, 'a worker died with a call');
      }
    }
    const { dead, heldBecause } = await this.send(this.ordinary, 'deadLetter', transport, [delivery]);
    return heldBecause === undefined
      ? { outcome: 'dead', dead: dead[0] }
      : { outcome: undefined, heldBecause };
  }

  /**
   * Resolves when the threads have started; earlier batches would only wait for them. Rejects with ConfigError if the deployer's own
   * methods cannot be used.
   */
  async ready(): Promise<void> {
    const { threads } = this.options;
    const problems: unknown[] = await Promise.all(
      Array.from({ length: threads }, () => this.ordinary.run(undefined, { name: 'ready' })),
    );
    for (const problem of problems)
      if (typeof problem === 'string') throw new ConfigError(`manager: ${problem}`);
  }

  /** Retries the deferred messages of a transport that are due. Never rejects. */
  async retry(transport: string): Promise<RetryResult> {
    try {
      return await this.ordinary.run(transport, { name: 'retry' });
    } catch (error) {
      return { retried: 0, resolved: 0, isUnfinished: false, failedBecause: messageOf(error) };
    }
  }

  /** Claims notifications that are due. Rejects if the database cannot be reached. */
  claimNotifications(transport: string): Promise<ClaimedNotification[]> {
    return this.ordinary.run(transport, { name: 'claimNotifications' });
  }

  /** Stores what became of claimed notifications. Rejects if the database cannot be reached. */
  settleNotifications(settled: PublishedNotifications): Promise<void> {
    return this.ordinary.run(settled, { name: 'settleNotifications' });
  }

  /** Redrives the dead letters of a transport that are due. Never rejects. */
  redrive(transport: string): Promise<RedriveRound> {
    return redriveRound(transport, {
      due: (of) => this.ordinary.run(of, { name: 'due' }),
      redrive: (task) => this.ordinary.run(task, { name: 'redrive' }),
      redriveAlone: (task) => this.inQuarantine(() => this.quarantine.run(task, { name: 'redrive' })),
      giveUp: (task) => this.ordinary.run(task, { name: 'giveUp' }),
      isClosing: () => this.closing,
      logger: this.options.logger,
    });
  }

  /** Ends the threads. Running batches are cut off. */
  async close(): Promise<void> {
    this.closing = true;
    await Promise.all([this.ordinary.destroy(), this.quarantine.destroy()]);
  }

  /** A thread has died without a task. Without a listener this would end the process. Piscina starts another thread. */
  private lost(error: unknown): void {
    if (this.closing) return;
    const leftOut = this.losses.take();
    if (leftOut === undefined) return;
    this.options.logger.error(
      { error: messageOf(error), ...(leftOut > 0 && { leftOut }) },
      'a worker died while it had nothing to do; another one takes its place',
    );
  }

  private async runInParts(
    transport: string,
    deliveries: ReadonlyArray<Delivery>,
    size: number,
  ): Promise<BatchResult> {
    const results: BatchResult[] = [];
    for (let begin = 0; begin < deliveries.length; begin += size) {
      const result = await this.quarantined(transport, deliveries.slice(begin, begin + size));
      results.push(result);
      // The database is gone. The other messages would only wait for it, part by part.
      if (result.heldBecause !== undefined) break;
    }
    return joinResults(results, deliveries.length);
  }

  private async quarantined(transport: string, part: ReadonlyArray<Delivery>): Promise<BatchResult> {
    try {
      return await this.inQuarantine(() => this.send(this.quarantine, 'run', transport, part));
    } catch (error) {
      if (this.closing) throw error;
      if (part.length > 1) return this.runInParts(transport, part, 1);
      this.options.logger.error(
        { error: messageOf(error) },
        'a message ended its worker alone; it becomes a dead letter',
      );
      return this.send(this.ordinary, 'deadLetter', transport, part);
    }
  }

  private async inQuarantine<Result>(work: () => Promise<Result>): Promise<Result> {
    await this.alone.take();
    try {
      return await work();
    } finally {
      this.alone.give();
    }
  }

  private sendCall(
    piscina: Piscina,
    transport: string,
    delivery: Delivery,
    run: CallRun,
  ): Promise<CallResult> {
    const call: PackedCall = { batch: pack(transport, [delivery], this.options.maxBody), ...run };
    return piscina.run(call, { name: 'call', transferList: [call.batch.buffer] });
  }

  private send(
    piscina: Piscina,
    name: 'run' | 'deadLetter',
    transport: string,
    deliveries: ReadonlyArray<Delivery>,
  ): Promise<BatchResult> {
    const batch: PackedBatch = pack(transport, deliveries, this.options.maxBody);
    return piscina.run(batch, { name, transferList: [batch.buffer] });
  }
}

function createPiscina(
  settings: WorkerSettings,
  minThreads: number,
  maxThreads: number,
  concurrentTasksPerWorker: number,
  maxOldGenerationSizeMb: number,
): Piscina {
  // The worker's entry is beside this file, as source or compiled.
  const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
  return new Piscina({
    filename: new URL(`./thread.${extension}`, import.meta.url).href,
    minThreads,
    maxThreads,
    concurrentTasksPerWorker,
    workerData: settings,
    // A batch's garbage is short-lived. A small young generation is enough, and V8 never gives back the memory of a large one.
    resourceLimits: { maxOldGenerationSizeMb, maxYoungGenerationSizeMb: 48 },
    // By default an idle worker blocks its event loop, and its connections to Postgres with it.
    atomics: 'disabled',
    idleTimeout: minThreads === maxThreads ? Number.POSITIVE_INFINITY : 5000,
    // The dispatcher starts no more batches than there are slots. Retries and dead letters may wait beside them.
    maxQueue: 2 * maxThreads * concurrentTasksPerWorker + 16,
  });
}

import type { Piscina } from 'piscina';
import { messageOf } from '../core/errors.ts';
import type { Logger } from '../core/logger.ts';
import type { ClaimedNotification, PublishedNotifications } from '../core/message/notification.ts';
import type { BatchResult, CallResult, CallRun } from '../core/message/outcome.ts';
import { Semaphore } from '../core/semaphore.ts';
import type { Delivery } from '../core/transport/contract.ts';
import type { EditCheck, EditTask } from './check-edited.ts';
import type { RetryResult } from './deferred.ts';
import { type PackedBatch, type PackedCall, pack, withTraces } from './packing.ts';
import { checkPatience, joinResults, partSize } from './pool-parts.ts';
import { type RedriveRound, redriveRound } from './redrive-round.ts';
import type { WorkerSettings } from './settings.ts';
import { Threads } from './threads.ts';

export interface PoolOptions {
  readonly threads: number;
  /** Bytes. A longer body is cut to a prefix, and its digest is added. */
  readonly maxBody: number;
  readonly settings: WorkerSettings;
  /** Whether the workers get the contexts of messages, for rows that keep them: whether tracing is on. */
  readonly carriesTraces?: boolean;
  readonly logger: Logger;
}

/**
 * The main thread's side of the workers. If a thread dies, no message of its batches is lost: they run again in the quarantine, in
 * small parts. If a part ends that thread too, each of its messages runs alone. One that ends its thread alone becomes a dead letter without
 * being read.
 */
export class WorkerPool {
  private readonly options: PoolOptions;
  private threads: Threads;
  /** Threads with earlier settings, which finish their tasks, and those that start. */
  private readonly retired = new Set<Threads>();
  /**
   * Only one part at a time is in the quarantine. When its thread ends, piscina never runs the tasks it has queued for that thread.
   * A task that the queue refuses would look like a message that ended the thread.
   */
  private readonly alone = new Semaphore(1);
  private closing = false;
  /** Batches and calls whose worker died. */
  deaths = 0;

  constructor(options: PoolOptions) {
    this.options = options;
    this.threads = new Threads(options.settings, options.threads, options.logger);
  }

  /**
   * Runs a batch. Messages that could not be committed are HELD. Rejects only while closing.
   *
   * @param traceId of the trace that its transactions belong to; undefined if tracing is off.
   */
  async run(transport: string, deliveries: ReadonlyArray<Delivery>, traceId?: string): Promise<BatchResult> {
    try {
      return await this.send(this.ordinary, 'run', transport, deliveries, traceId);
    } catch (error) {
      if (this.closing) throw error;
      const { logger } = this.options;
      this.deaths += 1;
      logger.error(
        { code: 'worker-died', error: messageOf(error), messages: deliveries.length },
        'a worker died; its messages run again in small parts',
      );
      return this.runInParts(transport, deliveries, partSize(deliveries.length));
    }
  }

  /** Runs one call. Rejects only while closing. */
  async call(transport: string, delivery: Delivery, run: CallRun, traceId?: string): Promise<CallResult> {
    const { logger } = this.options;
    const ways = [
      () => this.sendCall(this.ordinary, transport, delivery, run, traceId),
      () => this.inQuarantine(() => this.sendCall(this.quarantine, transport, delivery, run, traceId)),
    ];
    for (const send of ways) {
      try {
        return await send();
      } catch (error) {
        if (this.closing) throw error;
        this.deaths += 1;
        logger.error({ code: 'worker-died', error: messageOf(error) }, 'a worker died with a call');
      }
    }
    const { dead, heldBecause, heldCause } = await this.send(this.ordinary, 'deadLetter', transport, [
      delivery,
    ]);
    return heldBecause === undefined
      ? { outcome: 'dead', dead: dead[0] }
      : { outcome: undefined, heldBecause, heldCause };
  }

  /**
   * Resolves when the threads have started; earlier batches would only wait for them. Rejects with ConfigError if the deployer's own
   * methods cannot be used.
   */
  ready(): Promise<void> {
    return this.threads.ready();
  }

  /**
   * Starts threads with other settings. Resolves when they are ready, with a function that has them run all tasks from then on; the present
   * ones finish theirs and end. Rejects with ConfigError if the new threads cannot work. Then nothing has changed.
   */
  async renew(settings: WorkerSettings): Promise<() => void> {
    const { threads: count, logger } = this.options;
    const threads = new Threads(settings, count, logger);
    this.retired.add(threads);
    try {
      await threads.ready();
    } catch (error) {
      await threads.destroy();
      this.retired.delete(threads);
      throw error;
    }
    return () => {
      const { threads: old } = this;
      this.threads = threads;
      this.retired.delete(threads);
      this.retired.add(old);
      void old.retire().then(() => this.retired.delete(old));
    };
  }

  /** Retries the deferred messages of a transport that are due. Never rejects. */
  async retry(transport: string): Promise<RetryResult> {
    try {
      return await this.ordinary.run(transport, { name: 'retry' });
    } catch (error) {
      return { retried: 0, resolved: 0, isUnfinished: false, outcomes: {}, failedBecause: messageOf(error) };
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

  /** Checks an edited body as a redrive reads it. Rejects if that ends the thread, or takes too long: then the thread is ended. */
  checkEdit(task: EditTask): Promise<EditCheck> {
    return this.inQuarantine(() =>
      this.quarantine.run(task, { name: 'checkEdit', signal: AbortSignal.timeout(checkPatience) }),
    );
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
    await Promise.all([this.threads, ...this.retired].map((threads) => threads.destroy()));
  }

  /** Tasks that wait for a worker thread. */
  get queued(): number {
    return this.ordinary.queueSize;
  }

  private get ordinary(): Piscina {
    return this.threads.ordinary;
  }

  private get quarantine(): Piscina {
    return this.threads.quarantine;
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
        { code: 'worker-died', error: messageOf(error) },
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
    traceId: string | undefined,
  ): Promise<CallResult> {
    const call: PackedCall = { batch: this.pack(transport, [delivery], traceId), ...run };
    return piscina.run(call, { name: 'call', transferList: [call.batch.buffer] });
  }

  private send(
    piscina: Piscina,
    name: 'run' | 'deadLetter',
    transport: string,
    deliveries: ReadonlyArray<Delivery>,
    traceId?: string,
  ): Promise<BatchResult> {
    const batch = this.pack(transport, deliveries, traceId);
    return piscina.run(batch, { name, transferList: [batch.buffer] });
  }

  private pack(transport: string, deliveries: ReadonlyArray<Delivery>, traceId?: string): PackedBatch {
    const { maxBody, carriesTraces } = this.options;
    const batch = pack(transport, deliveries, maxBody, traceId);
    return carriesTraces === true ? withTraces(batch, deliveries) : batch;
  }
}

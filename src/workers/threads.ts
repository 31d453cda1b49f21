import { Piscina } from 'piscina';
import { pause } from '../core/backoff.ts';
import { ConfigError, messageOf } from '../core/errors.ts';
import type { Logger } from '../core/logger.ts';
import { LineBudget } from '../core/quiet-log.ts';
import type { WorkerSettings } from './settings.ts';

/** Megabytes of JavaScript objects at which a thread is ended. A batch needs a small part of it. */
const heapLimit = { ordinary: 512, quarantine: 256 };

/** Milliseconds that retired threads have for the tasks that they still run. */
const retirement = 30_000;

/** Worker threads with the same settings. */
export class Threads {
  readonly ordinary: CountingPiscina;
  readonly quarantine: CountingPiscina;
  private readonly count: number;
  private readonly logger: Logger;
  private readonly losses = new LineBudget(10, 1000);
  private ended = false;

  constructor(settings: WorkerSettings, count: number, logger: Logger) {
    this.count = count;
    this.logger = logger;
    const tasks = settings.concurrency + settings.calls.concurrency;
    this.ordinary = createPiscina(settings, count, count, tasks, heapLimit.ordinary);
    // Its thread starts when it is needed, and ends when it is idle.
    this.quarantine = createPiscina({ ...settings, concurrency: 1 }, 0, 1, 1, heapLimit.quarantine);
    for (const piscina of [this.ordinary, this.quarantine]) piscina.on('error', (error) => this.lost(error));
    // Lines of the threads for the operator. Each thread finds the same problem, so a line is logged once.
    const said = new Set<unknown>();
    this.ordinary.on('message', (line) => {
      if (typeof line === 'string' && !said.has(line)) logger.warn({ code: 'database-pooler' }, line);
      said.add(line);
    });
  }

  /** Resolves when the threads have started. Rejects with ConfigError if the deployer's own methods cannot be used. */
  async ready(): Promise<void> {
    const problems: unknown[] = await Promise.all(
      Array.from({ length: this.count }, () => this.ordinary.run(undefined, { name: 'ready' })),
    );
    for (const problem of problems)
      if (typeof problem === 'string') throw new ConfigError(`manager: ${problem}`, { code: 'manager' });
  }

  /** Ends the threads once they have nothing to do, and at the latest after half a minute. Never rejects. */
  async retire(): Promise<void> {
    const last = performance.now() + retirement;
    while (this.ordinary.underWay + this.quarantine.underWay > 0 && performance.now() < last) await pause(50);
    await this.destroy();
  }

  /** Ends the threads. Their tasks are cut off. Never rejects. */
  async destroy(): Promise<void> {
    this.ended = true;
    await Promise.allSettled([this.ordinary.destroy(), this.quarantine.destroy()]);
  }

  /** A thread has died without a task. Without a listener this would end the process. Piscina starts another thread. */
  private lost(error: unknown): void {
    if (this.ended) return;
    const leftOut = this.losses.take();
    if (leftOut === undefined) return;
    this.logger.error(
      { code: 'worker-died', error: messageOf(error), ...(leftOut > 0 && { leftOut }) },
      'a worker died while it had nothing to do; another one takes its place',
    );
  }
}

/** Knows how many tasks wait or run. Piscina's own `close` counts a thread again with each of its tasks. */
class CountingPiscina extends Piscina {
  underWay = 0;

  override async run(...task: Parameters<Piscina['run']>): ReturnType<Piscina['run']> {
    this.underWay += 1;
    try {
      return await super.run(...task);
    } finally {
      this.underWay -= 1;
    }
  }
}

function createPiscina(
  settings: WorkerSettings,
  minThreads: number,
  maxThreads: number,
  concurrentTasksPerWorker: number,
  maxOldGenerationSizeMb: number,
): CountingPiscina {
  // The worker's entry is beside this file, as source or compiled.
  const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
  return new CountingPiscina({
    filename: new URL(`./thread.${extension}`, import.meta.url).href,
    minThreads,
    maxThreads,
    concurrentTasksPerWorker,
    workerData: settings,
    // A batch's garbage is short-lived. A small young generation is enough, and V8 never gives back the memory of a large one.
    resourceLimits: { maxOldGenerationSizeMb, maxYoungGenerationSizeMb: 48 },
    // By default an idle worker blocks its event loop, and its connections to Postgres with it.
    atomics: 'disabled',
    // Nothing reads Piscina's own times.
    recordTiming: false,
    idleTimeout: minThreads === maxThreads ? Number.POSITIVE_INFINITY : 5000,
    // The dispatcher starts no more batches than there are slots. Retries and dead letters may wait beside them.
    maxQueue: 2 * maxThreads * concurrentTasksPerWorker + 16,
  });
}

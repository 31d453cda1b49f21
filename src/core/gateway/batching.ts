/**
 * The policy of batching, without timers and without messages.
 *
 * Batching is natural. While nothing runs, whatever has arrived goes at once; while something runs, arrivals gather until it is done or
 * a batch is full, which then gets a slot of its own. So a lone message waits for nothing, and a stream gets batches as large as the
 * workers are slow. Transports take turns, so that a flood on one does not starve another.
 */

export interface BatchingOptions {
  /** Batches that run at once. */
  readonly slots: number;
  /** Messages in one batch at most. */
  readonly maxBatch: number;
}

/** What there is to decide about. */
export interface Load {
  /** Batches that run. */
  readonly running: number;
  /** Messages that wait, by transport. */
  readonly waiting: ReadonlyArray<number>;
  /** The transport that had the last turn. */
  readonly turn: number;
}

export interface Plan {
  /** The transports that start a batch now, in order. One may stand here more than once. */
  readonly starts: ReadonlyArray<number>;
  /** The transport that has had the last turn then. */
  readonly turn: number;
  /** Whether messages are left that a free slot could take: they gather for a moment. */
  readonly gathers: boolean;
}

/** How many messages make a batch: one while nothing runs, a full batch beside others. */
export function worthwhile(running: number, { maxBatch }: BatchingOptions): number {
  return running === 0 ? 1 : maxBatch;
}

/**
 * Which batches to start.
 *
 * @param least messages that have to wait for the first batch to be worth it. Each further one has to be full.
 */
export function planBatches(options: BatchingOptions, load: Load, least: number): Plan {
  const { slots, maxBatch } = options;
  const waiting = [...load.waiting];
  const starts: number[] = [];
  let { turn } = load;
  for (let needed = least; load.running + starts.length < slots; needed = maxBatch) {
    const next = nextInTurn(waiting, turn, needed);
    if (next === undefined) break;
    turn = next;
    starts.push(next);
    waiting[next] = Math.max(0, (waiting[next] ?? 0) - maxBatch);
  }
  const gathers = load.running + starts.length < slots && waiting.some((count) => count > 0);
  return { starts, turn, gathers };
}

/** The next transport after `turn` for which so many wait; undefined if there is none. */
export function nextInTurn(waiting: ReadonlyArray<number>, turn: number, least: number): number | undefined {
  for (let step = 1; step <= waiting.length; step += 1) {
    const next = (turn + step) % waiting.length;
    if ((waiting[next] ?? 0) >= least) return next;
  }
  return undefined;
}

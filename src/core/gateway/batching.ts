/**
 * Decides which batches start. It has no timers and no messages.
 *
 * Batching is natural. While nothing runs, all waiting messages start at once. While a batch runs, arrivals gather until that batch is
 * done or until they fill a batch; a full batch gets its own slot. So a lone message does not wait, and batches grow when the workers
 * are slow. After a batch arrivals gather for as long again as it has taken, a few milliseconds at most: a batch costs as much as some
 * dozen messages. Transports take turns, so that a flood on one transport does not starve another.
 */

export interface BatchingOptions {
  /** Batches that run at once. */
  readonly slots: number;
  /** Messages in one batch at most. */
  readonly maxBatch: number;
}

/** The state to decide on. */
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
  /** The transport that had the last turn after these starts. */
  readonly turn: number;
  /** Whether messages are left that a free slot could take. They gather for a moment. */
  readonly gathers: boolean;
}

/** How many messages make a batch: one while nothing runs, a full batch beside others. */
export function worthwhile(running: number, { maxBatch }: BatchingOptions): number {
  return running === 0 ? 1 : maxBatch;
}

/**
 * For how long messages gather after a batch, in milliseconds. Timers are no more exact than one of them.
 *
 * @param took milliseconds that the batch has taken.
 * @param longest milliseconds.
 */
export function gatheringAfter(took: number, longest: number): number {
  const time = Math.floor(Math.min(took, longest));
  return time >= 1 ? time : 0;
}

/**
 * Plans which batches start now.
 *
 * @param least how many messages must wait for the first batch to start. Each further batch has to be full.
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

/** The next transport after `turn` for which at least `least` messages wait; undefined if there is none. */
export function nextInTurn(waiting: ReadonlyArray<number>, turn: number, least: number): number | undefined {
  for (let step = 1; step <= waiting.length; step += 1) {
    const next = (turn + step) % waiting.length;
    if ((waiting[next] ?? 0) >= least) return next;
  }
  return undefined;
}

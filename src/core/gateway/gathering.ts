import { gatheringAfter } from './batching.ts';

/** Milliseconds that messages gather at most while a slot is free: behind a batch that is stuck, for example. */
const patience = 10;

/**
 * Milliseconds for which messages gather after a batch, at most. A batch costs as much CPU as some dozen messages: docs/benchmark.md has the
 * figures of other values.
 */
export const longestGathering = 3;

/** Has messages gather while a slot is free, and starts them in time. All times are in milliseconds of the monotonic clock. */
export class Gathering {
  private readonly longest: number;
  private readonly start: () => void;
  private timer: NodeJS.Timeout | undefined;
  /** When the timer ends. */
  private ends = 0;
  /** Until when only full batches start. */
  private fullUntil = 0;

  /**
   * @param longest milliseconds for which messages gather after a batch, at most.
   * @param start starts everything that waits, as far as slots are free.
   */
  constructor(longest: number, start: () => void) {
    this.longest = longest;
    this.start = start;
  }

  /** Whether only full batches start now, although nothing may run. */
  get onlyFull(): boolean {
    return performance.now() < this.fullUntil;
  }

  /**
   * A batch has ended, and messages gather.
   *
   * @param took milliseconds.
   */
  after(took: number): void {
    this.fullUntil = performance.now() + gatheringAfter(took, this.longest);
  }

  /** Messages wait although a slot is free. */
  begin(): void {
    const now = performance.now();
    const ends = this.fullUntil > now ? this.fullUntil : now + patience;
    if (this.timer !== undefined && this.ends <= ends) return;
    clearTimeout(this.timer);
    this.ends = ends;
    this.timer = setTimeout(() => {
      this.timer = undefined;
      this.fullUntil = 0;
      this.start();
    }, ends - now);
  }

  stop(): void {
    clearTimeout(this.timer);
  }
}

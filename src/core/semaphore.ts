/** A FIFO semaphore: `take` waits while all permits are taken. */
export class Semaphore {
  /** Counted are those that are taken: of an unbounded one the rest is always the same. */
  private taken = 0;
  private readonly all: number;
  private readonly waiters: (() => void)[] = [];
  private readonly idlers: (() => void)[] = [];

  /** @param all permits; Infinity: nobody waits. */
  constructor(all: number) {
    this.all = all;
  }

  /** Resolves once a permit is taken. */
  async take(): Promise<void> {
    if (this.taken < this.all) {
      this.taken += 1;
      return;
    }
    await new Promise<void>((resolve) => this.waiters.push(resolve));
  }

  /** Gives a permit back. The one that has waited longest gets it. */
  give(): void {
    const next = this.waiters.shift();
    if (next !== undefined) {
      next();
      return;
    }
    this.taken -= 1;
    if (this.taken === 0) for (const idler of this.idlers.splice(0)) idler();
  }

  /** Resolves once no permit is taken. */
  async idle(): Promise<void> {
    if (this.taken > 0) await new Promise<void>((resolve) => this.idlers.push(resolve));
  }
}

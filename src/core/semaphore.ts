/** A FIFO semaphore: `take` waits while all permits are taken. */
export class Semaphore {
  private free: number;
  private readonly all: number;
  private readonly waiters: (() => void)[] = [];
  private readonly idlers: (() => void)[] = [];

  constructor(all: number) {
    this.all = all;
    this.free = all;
  }

  /** Resolves once a permit is taken. */
  async take(): Promise<void> {
    if (this.free > 0) {
      this.free -= 1;
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
    this.free += 1;
    if (this.free === this.all) for (const idler of this.idlers.splice(0)) idler();
  }

  /** Resolves once no permit is taken. */
  async idle(): Promise<void> {
    if (this.free < this.all) await new Promise<void>((resolve) => this.idlers.push(resolve));
  }
}

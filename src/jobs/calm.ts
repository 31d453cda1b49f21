/** Milliseconds between two looks. */
const interval = 1000;
/** Milliseconds between two looks after which the process must have been frozen, or its host. */
const frozen = 10_000;

/** Remembers when something was last wrong with a broker or the database, as far as this replica knows. */
export class Calm {
  private readonly isTroubled: () => boolean;
  private since = performance.now();
  private lookedAt = performance.now();
  private timer: NodeJS.Timeout | undefined;

  /** @param isTroubled whether a broker or the database is away now. */
  constructor(isTroubled: () => boolean) {
    this.isTroubled = isTroubled;
  }

  start(): void {
    this.since = performance.now();
    this.lookedAt = this.since;
    this.timer = setInterval(() => this.look(), interval).unref();
  }

  stop(): void {
    clearInterval(this.timer);
  }

  /** Milliseconds since the start or the last trouble; 0 during one. */
  get milliseconds(): number {
    this.look();
    return performance.now() - this.since;
  }

  private look(): void {
    const now = performance.now();
    if (this.isTroubled() || now - this.lookedAt > frozen) this.since = now;
    this.lookedAt = now;
  }
}

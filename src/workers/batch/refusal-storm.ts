/** Milliseconds that the share of refusals is taken over. */
const window = 60_000;
/** Keys that the database has to refuse for it to be a storm: one guest in a loop makes none. */
const fewest = 100;

/**
 * Tells when the database refuses so much that the schema is more likely at fault than the messages: then they are held, not
 * buried. One a thread.
 */
export class RefusalStorm {
  private readonly share: number;
  private begin = 0;
  private committed = 0;
  private readonly refused = new Set<string>();
  private previous = { committed: 0, refused: 0 };

  /** @param share of a minute's messages, from 0 to 1. */
  constructor(share: number) {
    this.share = share;
  }

  commits(count: number, now = performance.now()): void {
    this.turn(now);
    this.committed += count;
  }

  /** Notes that the database refuses what is about this key. */
  refuses(key: string, now = performance.now()): void {
    this.turn(now);
    // Whether there are a thousand or a million of them makes no difference.
    if (this.refused.size < 100_000) this.refused.add(key);
  }

  rages(now = performance.now()): boolean {
    this.turn(now);
    const refused = this.refused.size + this.previous.refused;
    const all = this.committed + this.previous.committed + refused;
    return refused >= fewest && refused > this.share * all;
  }

  /** The minute before counts too, so that a storm does not end because the clock struck. */
  private turn(now: number): void {
    if (now - this.begin < window) return;
    const isNext = now - this.begin < 2 * window;
    this.previous = isNext
      ? { committed: this.committed, refused: this.refused.size }
      : { committed: 0, refused: 0 };
    this.committed = 0;
    this.refused.clear();
    this.begin = now;
  }
}

/** Milliseconds of the window over which the share of refusals is taken. */
const window = 60_000;
/** The least number of refused keys that makes a storm. So one guest in a loop makes none. */
const fewest = 100;

/**
 * Tells when the database refuses so many messages that the schema is more likely at fault. Then the messages are held, and do not
 * become dead letters. One for each thread.
 */
export class RefusalStorm {
  private readonly share: number;
  private begin = 0;
  private committed = 0;
  private readonly refused = new Set<string>();
  private previous = { committed: 0, refused: 0 };

  /** @param share the part of a window's messages, from 0 to 1. */
  constructor(share: number) {
    this.share = share;
  }

  commits(count: number, now = performance.now()): void {
    this.turn(now);
    this.committed += count;
  }

  /** Counts a message about this key that the database refuses. */
  refuses(key: string, now = performance.now()): void {
    this.turn(now);
    // A bound on memory. More keys would not change the result.
    if (this.refused.size < 100_000) this.refused.add(key);
  }

  rages(now = performance.now()): boolean {
    this.turn(now);
    const refused = this.refused.size + this.previous.refused;
    const all = this.committed + this.previous.committed + refused;
    return refused >= fewest && refused > this.share * all;
  }

  /** Starts a new window if it is time. The last window counts too, so that a storm does not end with its window. */
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

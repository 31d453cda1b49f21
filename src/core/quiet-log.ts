/** How often the log says the same: what goes wrong a thousand times a second must not be a thousand lines. */

const second = 1000;
const minute = 60_000;

/** Some lines at once, then one more each so many milliseconds. Counts what is left out. */
export class LineBudget {
  private readonly lines: number;
  private readonly interval: number;
  private left: number;
  private refilledAt = performance.now();
  private leftOut = 0;

  constructor(lines: number, interval: number) {
    this.lines = lines;
    this.interval = interval;
    this.left = lines;
  }

  /** Whether a line may be written: then how many were left out since the last one, else undefined. */
  take(): number | undefined {
    const refills = Math.floor((performance.now() - this.refilledAt) / this.interval);
    this.left = Math.min(this.lines, this.left + refills);
    this.refilledAt += refills * this.interval;
    if (this.left === 0) {
      this.leftOut += 1;
      return undefined;
    }
    this.left -= 1;
    const { leftOut } = this;
    this.leftOut = 0;
    return leftOut;
  }
}

/** Reasons that an outage remembers: senders must not make it grow, and a few are all that a broker or database has. */
const maxReasons = 8;
/** Lines of one outage's beginnings and ends at once; then one in ten seconds. A connection may break as soon as it is made. */
const changes = { lines: 10, interval: 10 * second };

/**
 * Something that is well or not: its beginning is worth a line, each new reason, each minute that it lasts, and its end. No line an
 * attempt.
 */
export class Outage {
  private readonly budget = new LineBudget(changes.lines, changes.interval);
  private readonly reasons = new Set<string>();
  private saidAt = Number.NEGATIVE_INFINITY;
  /** Whether the log has this outage. */
  private said = false;

  /** Whether this failure is worth a line. */
  fail(reason: string): boolean {
    const now = performance.now();
    const isNew = !this.reasons.has(reason) && this.reasons.size < maxReasons;
    if (isNew) this.reasons.add(reason);
    const isDue = now - this.saidAt >= minute || (isNew && this.budget.take() !== undefined);
    if (!isDue) return false;
    this.saidAt = now;
    this.said = true;
    return true;
  }

  /** It is well again. Whether that is worth a line: it is where the log has said that it was not. */
  end(): boolean {
    const { said } = this;
    this.said = false;
    this.reasons.clear();
    return said;
  }
}

/** Limits how often the log says the same: an error that comes a thousand times a second must not be a thousand lines. */

const second = 1000;
const minute = 60_000;

/** A token bucket of log lines. It counts the lines that are left out. */
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

  /** How many lines were left out since the last one; undefined if this line has to be left out too. */
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

/** Reasons that an outage remembers. Bounded, since senders may choose the text. */
const maxReasons = 8;
/** Lines about the beginnings and ends of outages at once; then one in ten seconds. A connection may break as soon as it is made. */
const changes = { lines: 10, interval: 10 * second };

/**
 * An outage. Its beginning, each new reason, each minute that it lasts, and its end are worth a line. An attempt is not.
 */
export class Outage {
  private readonly budget = new LineBudget(changes.lines, changes.interval);
  private readonly reasons = new Set<string>();
  private saidAt = Number.NEGATIVE_INFINITY;
  /** Whether the log has a line about this outage. */
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

  /** The outage is over. Returns whether that is worth a line: it is if the log has a line about the outage. */
  end(): boolean {
    const { said } = this;
    this.said = false;
    this.reasons.clear();
    return said;
  }
}

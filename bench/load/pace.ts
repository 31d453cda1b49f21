/**
 * When the messages of an open-loop load are due. The times do not depend on the system under load: a message that is sent late keeps the time
 * at which it was due, so its wait counts as latency. Otherwise a slow system would be asked less often while it is slow ("coordinated
 * omission").
 */
export class Pace {
  /** Milliseconds since the epoch. */
  private readonly begin: number;
  /** Messages a second; Infinity: all at once. */
  private readonly rate: number;
  private readonly total: number;
  /** Messages that were taken. */
  taken = 0;

  constructor(begin: number, rate: number, total: number) {
    this.begin = begin;
    this.rate = rate;
    this.total = total;
  }

  get isDone(): boolean {
    return this.taken >= this.total;
  }

  /** How many messages are due and not taken yet. */
  due(now: number): number {
    if (now < this.begin) return 0;
    const all =
      this.rate === Number.POSITIVE_INFINITY
        ? this.total
        : Math.floor(((now - this.begin) / 1000) * this.rate) + 1;
    return Math.min(all, this.total) - this.taken;
  }

  /** Takes the next message. Returns the time at which it is due, in milliseconds since the epoch. */
  take(): number {
    const due = this.begin + (this.taken / this.rate) * 1000;
    this.taken += 1;
    return due;
  }
}

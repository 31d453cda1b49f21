/** Milliseconds by which the wall clock may be off before it is read again. */
const tolerance = 20;

/**
 * Milliseconds since the epoch for a time of `performance.now()`. All spans of a batch have the same offset between the two clocks, so they
 * lie in order. The offset follows a wall clock that is set, and a machine that has slept.
 */
export class SpanClock {
  private offset = Date.now() - performance.now();

  at(time: number): number {
    const offset = Date.now() - performance.now();
    if (Math.abs(offset - this.offset) > tolerance) this.offset = offset;
    return this.offset + time;
  }

  get now(): number {
    return this.at(performance.now());
  }
}

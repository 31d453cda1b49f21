/** Milliseconds by which the wall clock may be off before it is read again. */
const tolerance = 20;

/**
 * Milliseconds since the epoch for a time of `performance.now()`. All spans of a batch have the same offset between the two clocks, so they
 * lie in order. The offset follows a wall clock that is set, and a machine that has slept.
 */
export class SpanClock {
  private offset = readOffset();

  at(time: number): number {
    if (this.isOff(Date.now() - performance.now())) {
      const offset = readOffset();
      if (this.isOff(offset)) this.offset = offset;
    }
    return this.offset + time;
  }

  get now(): number {
    return this.at(performance.now());
  }

  private isOff(offset: number): boolean {
    return Math.abs(offset - this.offset) > tolerance;
  }
}

/** A busy machine may stop the thread between the two readings, and the difference is too small then. So the largest of several counts. */
function readOffset(): number {
  return Math.max(...Array.from({ length: 10 }, () => Date.now() - performance.now()));
}

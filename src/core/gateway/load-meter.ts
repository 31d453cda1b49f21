/** Measures how much of a resource is in use, as the integral over time. One change costs a few additions. */
export class LoadMeter {
  private present = 0;
  private sum = 0;
  private changedAt = performance.now();

  /** The units in use now. */
  get now(): number {
    return this.present;
  }

  /** Takes units into use; gives units back if negative. */
  add(units: number): void {
    const now = performance.now();
    this.sum += this.present * (now - this.changedAt);
    this.changedAt = now;
    this.present += units;
  }

  /** The sum of the units over the milliseconds in which they were in use, since the start. */
  get total(): number {
    return this.sum + this.present * (performance.now() - this.changedAt);
  }
}

/**
 * Milliseconds since the epoch, with fractions. The clock of a process does not jump while it runs. All processes of a run are on one
 * machine, so their clocks agree.
 */
export function now(): number {
  return performance.timeOrigin + performance.now();
}

import type { Progress } from '../run/rig.ts';

const width = 24;

/** A bar on a terminal; elsewhere one line for each step. Both on standard error, so that standard output has results only. */
export class ProgressBar implements Progress {
  private last = '';

  show(what: string, part: number): void {
    const { stderr } = process;
    if (stderr.isTTY) {
      const full = Math.round(part * width);
      stderr.write(`\r\x1b[K[${'#'.repeat(full)}${'.'.repeat(width - full)}] ${what}`);
    } else if (what !== this.last) stderr.write(`${what}\n`);
    this.last = what;
  }

  /** Clears the bar. */
  end(): void {
    if (process.stderr.isTTY) process.stderr.write('\r\x1b[K');
  }
}

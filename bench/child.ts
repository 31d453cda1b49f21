import type { DrainResult, DrainTask } from './drain.ts';

/** The inside of a measured process. Both consumers use the same clock. */

/** Reads the task that the bench gave this process. */
export function readTask(): DrainTask {
  const task: DrainTask = JSON.parse(process.argv[2] ?? '{}');
  return task;
}

/** Measures from the first message to the last one settled. */
export class Stopwatch {
  private readonly messages: number;
  private begin = 0;
  private cpu = process.cpuUsage();
  readonly finished: Promise<DrainResult>;
  private finish: (result: DrainResult) => void = () => {};

  constructor(messages: number) {
    this.messages = messages;
    this.finished = new Promise((resolve) => {
      this.finish = resolve;
    });
  }

  /** @param received and @param settled so far. */
  tick(received: number, settled: number): void {
    if (this.begin === 0 && received > 0) {
      this.begin = performance.now();
      this.cpu = process.cpuUsage();
    }
    if (settled < this.messages) return;
    const seconds = (performance.now() - this.begin) / 1000;
    const { user, system } = process.cpuUsage(this.cpu);
    this.finish({
      messages: this.messages,
      seconds,
      cpuMicroseconds: user + system,
      // Kibibytes on Linux: the peak of the process, all its threads included.
      peakBytes: process.resourceUsage().maxRSS * 1024,
    });
  }
}

/** Hands the result to the bench and ends the process. */
export async function report(result: Promise<DrainResult>, stop: () => Promise<unknown>): Promise<void> {
  const figures = await result;
  await stop();
  process.stdout.write(`${JSON.stringify(figures)}\n`);
  process.exit(0);
}

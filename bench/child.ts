import { setTimeout as sleep } from 'node:timers/promises';
import { cpuTime } from './cpu.ts';
import type { DrainResult, DrainTask, ServersCpu } from './drain.ts';

/** The inside of a measured process. All of them use the same clock. */

/** Reads the task that the bench gave this process. */
export function readTask(): DrainTask {
  const task: DrainTask = JSON.parse(process.argv[2] ?? '{}');
  return task;
}

/** Milliseconds after the last message in which the servers finish their work: the last acknowledgements, for one. */
const afterwards = 500;

/** Measures from the first message to the last one settled, the process and its servers. */
export class Stopwatch {
  private readonly messages: number;
  private readonly servers: ServersCpu;
  private begin = 0;
  private cpu = process.cpuUsage();
  private serversCpu: ServersCpu = { broker: 0, postgres: 0 };
  private readonly finished: Promise<Omit<DrainResult, keyof ServersCpu>>;
  private finish: (result: Omit<DrainResult, keyof ServersCpu>) => void = () => {};

  constructor({ messages, servers }: Pick<DrainTask, 'messages' | 'servers'>) {
    this.messages = messages;
    this.servers = servers;
    this.finished = new Promise((resolve) => {
      this.finish = resolve;
    });
  }

  /** @param received and @param settled so far. */
  tick(received: number, settled: number): void {
    if (this.begin === 0 && received > 0) {
      this.serversCpu = this.readServers();
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

  /** Resolves once all messages are settled and the servers have had time to finish. */
  async result(): Promise<DrainResult> {
    const result = await this.finished;
    await sleep(afterwards);
    const { broker, postgres } = this.readServers();
    return {
      ...result,
      broker: broker - this.serversCpu.broker,
      postgres: postgres - this.serversCpu.postgres,
    };
  }

  private readServers(): ServersCpu {
    const { broker, postgres } = this.servers;
    return { broker: cpuTime(broker), postgres: cpuTime(postgres) };
  }
}

/** Hands the result to the bench and ends the process. */
export async function report(stopwatch: Stopwatch, stop: () => Promise<unknown>): Promise<void> {
  const figures = await stopwatch.result();
  await stop();
  process.stdout.write(`${JSON.stringify(figures)}\n`);
  process.exit(0);
}

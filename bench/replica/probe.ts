import { monitorEventLoopDelay, PerformanceObserver } from 'node:perf_hooks';
import { BroadcastChannel, isMainThread, threadId } from 'node:worker_threads';

/**
 * Loaded into each thread of a replica, by `node --import`. Measures the thread: its CPU time, its garbage collection and the delay of its event
 * loop. The main thread asks all threads over one channel.
 */

export const channelName = 'conductor-bench-probe';

export interface ThreadFigures {
  readonly threadId: number;
  readonly isMain: boolean;
  /** Microseconds since the reset. */
  readonly cpu: number;
  readonly garbage: number;
  /** Milliseconds: by how much a timer was late. */
  readonly delayP50: number;
  readonly delayP99: number;
}

/** Milliseconds between the looks at the event loop. The delay is what is above it. */
const resolution = 10;

const delay = monitorEventLoopDelay({ resolution });
delay.enable();
let garbage = 0;
new PerformanceObserver((list) => {
  for (const { duration } of list.getEntries()) garbage += duration * 1000;
}).observe({ entryTypes: ['gc'] });
let cpu = process.threadCpuUsage();

const channel = new BroadcastChannel(channelName);
channel.onmessage = (event: unknown) => {
  const asked = dataOf(event);
  if (asked === 'reset') {
    delay.reset();
    garbage = 0;
    cpu = process.threadCpuUsage();
  }
  if (asked !== 'read') return;
  const { user, system } = process.threadCpuUsage(cpu);
  const figures: ThreadFigures = {
    threadId,
    isMain: isMainThread,
    cpu: user + system,
    garbage,
    delayP50: lateBy(50),
    delayP99: lateBy(99),
  };
  channel.postMessage(figures);
};
// It must not keep the thread alive.
channel.unref();

function lateBy(percentile: number): number {
  return Math.max(0, delay.percentile(percentile) / 1e6 - resolution);
}

/** What a message of the channel holds. */
export function dataOf(event: unknown): unknown {
  return typeof event === 'object' && event !== null && 'data' in event ? event.data : undefined;
}

export function isThreadFigures(data: unknown): data is ThreadFigures {
  return typeof data === 'object' && data !== null && 'threadId' in data;
}

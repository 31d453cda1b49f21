/** Preloaded into each thread of a replica (`node --import`): appends a line of figures to a file, again and again. */
import { appendFile } from 'node:fs/promises';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { threadId } from 'node:worker_threads';

const file = process.env.HARNESS_PROBE_FILE;
const interval = Number(process.env.HARNESS_PROBE_INTERVAL);

if (file !== undefined && interval > 0) {
  const delay = monitorEventLoopDelay({ resolution: 10 });
  delay.enable();
  const timer = setInterval(() => {
    const { rss, heapUsed, external, arrayBuffers } = process.memoryUsage();
    const [p99, max] = [delay.percentile(99) / 1e6, delay.max / 1e6];
    delay.reset();
    const line = { at: Date.now(), threadId, rss, heapUsed, external, arrayBuffers, p99, max };
    // A line that is missing is seen by its reader.
    appendFile(file, `${JSON.stringify(line)}\n`).catch(() => {});
  }, interval);
  timer.unref();
}

import { collectDefaultMetrics, type OpenMetricsContentType, Registry } from 'prom-client';
import { guestMetrics, jobMetrics } from './jobs.ts';
import { latencyMetrics } from './latency.ts';
import { loadMetrics } from './load.ts';
import { messageMetrics } from './messages.ts';
import { type Metric, register } from './metric.ts';
import { stateMetrics } from './state.ts';
import type { MetricsSubject } from './subject.ts';

/** All metrics of our own by topic, for the page that lists them. */
export const topics: Readonly<Record<string, readonly Metric[]>> = {
  Messages: messageMetrics,
  Latencies: latencyMetrics,
  Load: loadMetrics,
  State: stateMetrics,
  'Jobs and tables': jobMetrics,
  Guests: guestMetrics,
};

/** Milliseconds between two measurements of the event loop's delay. */
const loopResolution = 20;

const openMetrics = Registry.OPENMETRICS_CONTENT_TYPE;
type OpenRegistry = Registry<OpenMetricsContentType>;

let ofProcess: OpenRegistry | undefined;

/** prom-client's metrics of the process. They observe the process from the first call on, so a process has them once. */
export function processMetrics(): OpenRegistry {
  if (ofProcess === undefined) {
    ofProcess = createRegistry();
    collectDefaultMetrics({ register: ofProcess, eventLoopMonitoringPrecision: loopResolution });
  }
  return ofProcess;
}

/** The text of one scrape, and its type. */
export interface Scrape {
  readonly contentType: string;
  readonly text: string;
}

/** Makes the metrics of a replica. Returns what answers a scrape. Between two scrapes nothing happens. */
export function createMetrics(subject: MetricsSubject): () => Promise<Scrape> {
  const own = createRegistry();
  for (const metric of Object.values(topics).flat()) register(metric, own, subject);
  const process = processMetrics();
  return async () => {
    const [first, second] = await Promise.all([own.metrics(), process.metrics()]);
    // Each text ends with the mark of its end, which may stand there only once.
    return { contentType: openMetrics, text: first.replace(/# EOF\n$/, '') + second };
  };
}

function createRegistry(): OpenRegistry {
  const registry: OpenRegistry = new Registry();
  registry.setContentType(openMetrics);
  return registry;
}

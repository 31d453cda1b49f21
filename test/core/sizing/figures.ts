import type { BenchFile, RunFigures } from '../../../src/core/sizing/figures.ts';

const times = (p99: number) => ({
  count: 1000,
  p50: p99 / 3,
  p90: p99 / 2,
  p99,
  p999: 2 * p99,
  max: 3 * p99,
});

/** Figures of a run as a bench measures them: 10 µs a message of each part, and 400 µs a second, of one replica. */
export function run(rate: number, more: Partial<RunFigures> = {}): RunFigures {
  return {
    scenario: 'knee',
    transport: 'nats',
    codec: 'native',
    auth: 'none',
    instances: 10_000,
    body: 148,
    replicas: 1,
    threads: 1,
    offered: rate,
    rate,
    seconds: 10,
    keepsUp: true,
    sent: rate * 10,
    settled: rate * 10,
    missing: 0,
    outcomes: { applied: rate * 10 },
    redelivered: 0,
    callErrors: 0,
    latency: { receive: times(1), commit: times(10), settle: times(12), work: times(9), call: null },
    cpu: { replicas: 22, main: 10, workers: 10, broker: 10, postgres: 10, generators: 10 },
    batch: { mean: rate / 100, p50: rate / 100, p99: rate / 50, max: 1000 },
    peakBytes: 2e8,
    hot: 0.99,
    wal: 200,
    connections: 8,
    garbage: 0.05,
    loopDelayP99: 1,
    recovery: null,
    ...more,
  };
}

export function benchFile(runs: ReadonlyArray<RunFigures>, more: Partial<BenchFile> = {}): BenchFile {
  return {
    kind: 'conductor-bench',
    version: 1,
    machine: { cores: 2, model: 'a processor', memoryBytes: 8e9 },
    versions: {},
    commit: null,
    command: 'npm run bench -- knee',
    startedAt: '2026-11-27T12:00:00.000Z',
    parameters: {},
    runs,
    drains: [],
    ...more,
  };
}

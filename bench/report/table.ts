import type { RunFigures } from '../../src/core/sizing/figures.ts';

/** A figure with so many digits; a dash where it was not measured. */
export function shown(value: number | null | undefined, digits = 0): string {
  return value === null || value === undefined || !Number.isFinite(value) ? '-' : value.toFixed(digits);
}

type Column = readonly [head: string, of: (run: RunFigures) => string];

/** The columns of the table of runs. Latencies in milliseconds from the time a message was due; CPU in microseconds a message. */
export const columns: ReadonlyArray<Column> = [
  ['scenario', ({ scenario }) => scenario],
  [
    'transport',
    ({ transport, codec, auth }) =>
      [transport, ...(codec === 'oslo' ? ['oslo'] : []), ...(auth === 'none' ? [] : [auth])].join(' '),
  ],
  ['instances', ({ instances }) => String(instances)],
  ['body', ({ body }) => String(body)],
  ['replicas', ({ replicas, threads }) => (threads === 0 ? `${replicas} inline` : String(replicas))],
  ['offered/s', ({ offered }) => (offered === null ? 'all' : shown(offered))],
  ['settled/s', ({ rate, keepsUp }) => `${shown(rate)}${keepsUp ? '' : ' !'}`],
  ['receive p50', ({ latency }) => shown(latency.receive?.p50, 1)],
  ['commit p50', ({ latency }) => shown(latency.commit?.p50, 1)],
  ['commit p99', ({ latency }) => shown(latency.commit?.p99, 1)],
  ['settle p99', ({ latency }) => shown(latency.settle?.p99, 1)],
  ['call p99', ({ latency }) => shown(latency.call?.p99, 1)],
  ['replica µs', ({ cpu }) => shown(cpu.replicas, 1)],
  ['broker µs', ({ cpu }) => shown(cpu.broker, 1)],
  ['Postgres µs', ({ cpu }) => shown(cpu.postgres, 1)],
  ['batch', ({ batch }) => shown(batch.mean)],
  ['HOT', ({ hot }) => shown(hot, 3)],
  ['WAL bytes', ({ wal }) => shown(wal)],
  ['GC %', ({ garbage }) => shown(garbage * 100, 1)],
  ['loop p99', ({ loopDelayP99 }) => shown(loopDelayP99, 1)],
  ['peak MB', ({ peakBytes }) => shown(peakBytes / 1e6)],
  ['missing', ({ missing }) => String(missing)],
];

/** The table of the runs. */
export function formatRuns(runs: ReadonlyArray<RunFigures>): string {
  const rows = [columns.map(([head]) => head), ...runs.map((run) => columns.map(([, of]) => of(run)))];
  const widths = columns.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const lines = rows.map((row) => row.map((cell, column) => cell.padStart(widths[column] ?? 0)).join('  '));
  const recoveries = runs.flatMap(({ recovery, transport, rate }) =>
    recovery === null
      ? []
      : [
          `${transport}: after an outage of ${recovery.outage} s, ${recovery.backlog} messages waited, and ${shown(recovery.seconds, 1)} s later none (${shown(rate)}/s in the window)`,
        ],
  );
  return [...lines, ...recoveries, footnote].join('\n');
}

const footnote = [
  'Latencies in ms from the time at which a message was due; commit: until Postgres committed it, of a sample. CPU in µs a message.',
  '!: the rate is below what was offered. GC: of the thread that collects most. loop: by how much timers of the main thread were late.',
].join('\n');

import { latencyBounds } from '../core/histogram.ts';
import type { Point } from '../core/page-answers.ts';
import { type Health, healthOf } from './health.ts';
import type { MetricsSubject } from './metrics/subject.ts';

/** The state of the replica that serves the page. */
export interface ReplicaState {
  readonly replica: string;
  readonly version: string;
  readonly health: Health;
  readonly kinds: Readonly<Record<string, string>>;
  /** Since the start. */
  readonly connections: Readonly<Record<string, { readonly connected: number; readonly failed: number }>>;
  readonly utilisation: number;
  /** Milliseconds. */
  readonly oldestUnsettled: number;
}

/** The counts at one moment. */
export interface Reading {
  readonly at: number;
  /** Of the monotonic clock. */
  readonly clock: number;
  readonly writes: number | undefined;
  /** The database's clock beside `writes`. */
  readonly writesAt: number | undefined;
  readonly committed: number;
  readonly latency: ReadonlyArray<number>;
}

export function stateOf(subject: MetricsSubject): ReplicaState {
  const { replica, version, kinds, connections, utilisation, oldestUnsettled } = subject;
  return {
    replica,
    version,
    health: healthOf(subject),
    kinds: Object.fromEntries(kinds),
    connections: Object.fromEntries(
      [...connections].map(([name, { connected, failed }]) => [name, { connected, failed }]),
    ),
    utilisation: utilisation.value,
    oldestUnsettled,
  };
}

/** Reads the counters of the replica. `writes` come from the database. */
export function readCounters(
  { counters }: Pick<MetricsSubject, 'counters'>,
  present: { readonly writes: number | undefined; readonly now: number } | undefined,
): Reading {
  const latency = new Array<number>(latencyBounds.length + 1).fill(0);
  let committed = 0;
  for (const one of counters.values()) {
    committed += one.committed;
    one.histograms.receiveToCommit.counts.forEach((count, bucket) => {
      latency[bucket] = (latency[bucket] ?? 0) + count;
    });
  }
  return {
    at: Date.now(),
    clock: performance.now(),
    writes: present?.writes,
    writesAt: present?.now,
    committed,
    latency,
  };
}

/** The point between two readings. */
export function pointBetween(before: Reading, after: Reading): Point {
  const seconds = (after.clock - before.clock) / 1000;
  const counts = after.latency.map((count, bucket) => count - (before.latency[bucket] ?? 0));
  return {
    at: after.at,
    heartbeats: writesASecond(before, after),
    committed: (after.committed - before.committed) / seconds,
    median: quantileOf(counts, 0.5),
    slowest: quantileOf(counts, 0.99),
  };
}

/** Null if Postgres has counted nothing meanwhile, or its statistics began anew. */
function writesASecond(before: Reading, after: Reading): number | null {
  const seconds = ((after.writesAt ?? 0) - (before.writesAt ?? 0)) / 1000;
  if (before.writes === undefined || after.writes === undefined || seconds <= 0) return null;
  return after.writes < before.writes ? null : (after.writes - before.writes) / seconds;
}

/**
 * Milliseconds below which that share of the values lies. A value stands anywhere in its bucket, so it is taken between the bounds in
 * proportion. Above the last bound it is that bound. Null: there are no values.
 */
export function quantileOf(counts: ReadonlyArray<number>, share: number): number | null {
  const all = counts.reduce((sum, count) => sum + count, 0);
  if (all === 0) return null;
  let below = 0;
  for (const [bucket, count] of counts.entries()) {
    if (count > 0 && below + count >= share * all) {
      const upper = latencyBounds[bucket];
      const lower = latencyBounds[bucket - 1] ?? 0;
      if (upper === undefined) return lower * 1000;
      return (lower + ((share * all - below) / count) * (upper - lower)) * 1000;
    }
    below += count;
  }
  return null;
}

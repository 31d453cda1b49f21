import { availableParallelism } from 'node:os';
import type { RunFigures } from '../../src/core/sizing/figures.ts';
import { Bodies } from '../load/bodies.ts';
import type { VolleyResult } from '../load/generator.ts';
import type { ReplicaCounts, ReplicaSamples } from '../replica/replica.ts';
import type { MeterReading } from './meter.ts';
import { quantilesOf } from './quantiles.ts';
import type { MeasureOptions, RigOptions } from './rig.ts';

/** Rate and offered rate agree within this part. */
const tolerance = 0.03;

export interface Measured {
  readonly rig: RigOptions;
  readonly options: MeasureOptions;
  readonly metered: MeterReading;
  /** Sent and commit times of heartbeats that were sent in the window. */
  readonly commits: ReadonlyArray<readonly [sent: number, committed: number]>;
  readonly samples: ReadonlyArray<ReplicaSamples>;
  readonly volleys: ReadonlyArray<VolleyResult>;
  /** Counts of the replicas before and after the run. */
  readonly before: ReadonlyArray<ReplicaCounts>;
  readonly after: ReadonlyArray<ReplicaCounts>;
}

/** Makes the figures of a run out of what was read. */
export function figuresOf(measured: Measured): RunFigures {
  const { rig, options, metered, volleys, before, after } = measured;
  const settledInWindow = sum(metered.replicas, ({ settled }) => settled);
  const seconds = (metered.to - metered.from) / 1000;
  const settled = sum(after, ({ settled }) => settled) - sum(before, ({ settled }) => settled);
  const sent = sum(volleys, ({ confirmed, calls }) => confirmed + calls.length);
  const rate = settledInWindow / seconds;
  const perMessage = (microseconds: number | undefined) =>
    microseconds === undefined || Number.isNaN(microseconds) || settledInWindow === 0
      ? null
      : microseconds / settledInWindow;
  const threads = metered.replicas.flatMap(({ threads }) => threads);
  const main = threads.filter(({ isMain }) => isMain);
  const workers = threads.filter(({ isMain }) => !isMain);
  const { wal, updates, hot } = metered.database;
  return {
    scenario: options.scenario,
    transport: rig.transport,
    codec: rig.codec,
    auth: rig.auth,
    instances: rig.instances,
    body: new Bodies({ form: rig.codec, instances: 1, first: 0, body: rig.body }).next('heartbeat', 0).body
      .length,
    replicas: rig.replicas,
    threads: rig.isInline ? 0 : threadsOf(rig.settings),
    offered: options.rate,
    rate,
    seconds,
    keepsUp: options.rate === null || rate >= options.rate * (1 - tolerance),
    sent,
    settled,
    missing: Math.max(0, sent - settled),
    outcomes: outcomesOf(before, after),
    redelivered: sum(after, ({ redelivered }) => redelivered) - sum(before, ({ redelivered }) => redelivered),
    callErrors: sum(volleys, ({ callErrors }) => callErrors),
    ...latencyAndBatches(measured),
    cpu: {
      replicas: perMessage(sum(metered.replicas, ({ cpuMicroseconds }) => cpuMicroseconds)) ?? 0,
      main: perMessage(sum(main, ({ cpu }) => cpu)) ?? 0,
      workers: perMessage(sum(workers, ({ cpu }) => cpu)) ?? 0,
      broker: perMessage(metered.broker),
      postgres: perMessage(metered.postgres),
      generators: perMessage(metered.generators),
    },
    peakBytes: Math.max(...measured.samples.map(({ peakBytes }) => peakBytes)),
    hot: updates > 0 ? hot / updates : null,
    wal: perMessage(wal),
    connections: metered.connections > 0 ? metered.connections / rig.replicas : null,
    garbage: Math.max(0, ...threads.map(({ garbage }) => garbage / (seconds * 1e6))),
    loopDelayP99: Math.max(0, ...main.map(({ delayP99 }) => delayP99)),
    recovery: null,
  };
}

function latencyAndBatches({
  metered,
  commits,
  samples,
  volleys,
}: Measured): Pick<RunFigures, 'latency' | 'batch'> {
  const all = samples.flatMap(({ samples }) => samples);
  const sizes = samples.flatMap(({ batches }) => batches).sort((a, b) => a - b);
  const at = (part: number) => sizes[Math.floor((sizes.length - 1) * part)] ?? 0;
  const { from, to } = metered;
  const calls = volleys.flatMap(({ calls }) => calls).filter(([due]) => due >= from && due < to);
  return {
    latency: {
      receive: quantilesOf(all.map(({ due, received }) => received - due)),
      commit: quantilesOf(commits.map(([sent, committed]) => committed - sent)),
      settle: quantilesOf(all.map(({ due, settled }) => settled - due)),
      work: quantilesOf(all.map(({ received, settled }) => settled - received)),
      call: quantilesOf(calls.map(([, milliseconds]) => milliseconds)),
    },
    batch: {
      mean: sizes.length === 0 ? 0 : sum(sizes, (size) => size) / sizes.length,
      p50: at(0.5),
      p99: at(0.99),
      max: at(1),
    },
  };
}

function outcomesOf(before: ReadonlyArray<ReplicaCounts>, after: ReadonlyArray<ReplicaCounts>) {
  const outcomes: Record<string, number> = {};
  for (const [counts, sign] of [
    [after, 1],
    [before, -1],
  ] as const) {
    for (const one of counts)
      for (const [kind, count] of Object.entries(one.outcomes))
        outcomes[kind] = (outcomes[kind] ?? 0) + sign * count;
  }
  return Object.fromEntries(Object.entries(outcomes).filter(([, count]) => count !== 0));
}

/** The configuration's `workers.threads`, or its default. */
function threadsOf({ workers }: Readonly<Record<string, unknown>>): number {
  const told =
    typeof workers === 'object' && workers !== null && 'threads' in workers ? Number(workers.threads) : 0;
  return told || Math.max(1, availableParallelism() - 1);
}

function sum<Item>(items: ReadonlyArray<Item>, of: (item: Item) => number): number {
  return items.reduce((total, item) => total + of(item), 0);
}

import type { BenchFile, RunFigures } from './figures.ts';
import { kneeOf, p99Of, usualLimit } from './knee.ts';

/** How many replicas a fleet needs, by the figures of a bench. It computes and reads nothing. */

export interface Fleet {
  readonly instances: number;
  /** Seconds between two messages of an instance. */
  readonly interval: number;
  /** The part of what was measured as possible that is planned with. */
  readonly headroom: number;
  /** Seconds for which no message is taken, and in which the backlog has to be gone afterwards. */
  readonly outage: number;
  readonly recover: number;
  /** Of the bench's. It may be left out if the bench has measured only one. */
  readonly transport: string | undefined;
  /** Cores of the servers. Undefined: as many as the machine of the bench has. */
  readonly brokerCores: number | undefined;
  readonly databaseCores: number | undefined;
}

/** A resource and the part of it that is used. */
export interface Usage {
  readonly what: string;
  /** Whether more replicas make it larger. */
  readonly isOfReplicas: boolean;
  /** 1: all of it. */
  readonly part: number;
}

export interface Sizing {
  readonly transport: string;
  /** Messages a second: of the fleet, of a replica, and what a replica was measured to take. */
  readonly rate: number;
  readonly perReplica: number;
  readonly capacity: number;
  /** Messages a second while a backlog is drained. */
  readonly recoveryRate: number;
  readonly replicas: number;
  /** Of a replica. */
  readonly threads: number;
  readonly connectionsPerReplica: number;
  readonly connections: number;
  /** Messages in a batch, as measured at this rate. */
  readonly batch: number;
  readonly walBytesPerDay: number | undefined;
  /** Milliseconds until 99 % are committed; undefined if no run has a latency. Below the least rate that was measured, it is that rate's. */
  readonly p99: number | undefined;
  /** Cores that are busy. */
  readonly cores: {
    readonly replicas: number;
    readonly broker: number | undefined;
    readonly postgres: number | undefined;
  };
  /** The most used first. */
  readonly usage: ReadonlyArray<Usage>;
  /** Messages a second at which the first resource is used up, with as many replicas. */
  readonly saturatesAt: number;
  readonly assumptions: ReadonlyArray<string>;
}

/** What a sizing needs of a bench. */
export type Measured = Pick<BenchFile, 'machine' | 'parameters' | 'runs' | 'drains'>;

const day = 86_400;

/** Sizes a fleet. Throws RangeError, whose message says what the figures lack. */
export function sizeFleet(file: Measured, fleet: Fleet): Sizing {
  const curve = curveOf(file, fleet.transport);
  const knee = kneeOf(curve);
  if (knee === undefined)
    throw new RangeError(`no run of ${curve[0]?.transport} kept up with its rate within ${usualLimit} ms`);
  const rate = fleet.instances / fleet.interval;
  const capacity = knee.rate;
  const drained = Math.max(capacity, ...drainRates(file, knee.transport));
  const recoveryRate = rate * (1 + fleet.outage / fleet.recover);
  const replicas = Math.max(
    1,
    Math.ceil(rate / (fleet.headroom * capacity)),
    Math.ceil(recoveryRate / drained),
  );
  const perReplica = rate / replicas;
  /** A figure a second of one replica at its rate, by what it is a message. */
  const at = (perMessage: (run: RunFigures) => number | null) => interpolate(curve, perReplica, perMessage);
  const cores = (perMessage: (run: RunFigures) => number | null) => {
    const busy = at(perMessage);
    return busy === undefined ? undefined : (busy * replicas) / 1e6;
  };
  const main = (at(({ cpu }) => cpu.main) ?? 0) / 1e6;
  const workers = (at(({ cpu }) => cpu.workers) ?? 0) / 1e6;
  const broker = cores(({ cpu }) => cpu.broker);
  const postgres = cores(({ cpu }) => cpu.postgres);
  const wal = at(({ wal }) => wal);
  const threads = Math.max(1, knee.threads);
  const connectionsPerReplica = Math.max(1, ...curve.map(({ connections }) => connections ?? 0));
  const benchCores = file.machine.cores;
  const usage = [
    {
      what: 'the rate that a replica kept up with in the bench',
      part: perReplica / capacity,
      isOfReplicas: true,
    },
    { what: "a replica's main thread", part: main, isOfReplicas: true },
    {
      what: `a replica's ${threads === 1 ? 'worker thread' : `${threads} worker threads`}`,
      part: workers / threads,
      isOfReplicas: true,
    },
    ...(broker === undefined
      ? []
      : [
          {
            what: "the broker's cores",
            part: broker / (fleet.brokerCores ?? benchCores),
            isOfReplicas: false,
          },
        ]),
    ...(postgres === undefined
      ? []
      : [
          {
            what: "Postgres's cores",
            part: postgres / (fleet.databaseCores ?? benchCores),
            isOfReplicas: false,
          },
        ]),
  ].toSorted((a, b) => b.part - a.part);
  return {
    transport: knee.transport,
    rate,
    perReplica,
    capacity,
    recoveryRate,
    replicas,
    threads,
    connectionsPerReplica,
    connections: Math.ceil(connectionsPerReplica * replicas),
    batch: (interpolate(curve, perReplica, ({ batch }) => batch.mean) ?? 0) / perReplica,
    walBytesPerDay: wal === undefined ? undefined : wal * replicas * day,
    p99: betweenRuns(curve, Math.max(perReplica, curve[0]?.rate ?? 0), p99Of),
    cores: { replicas: cores(({ cpu }) => cpu.replicas) ?? 0, broker, postgres },
    usage,
    saturatesAt: rate / Math.max(1e-9, usage[0]?.part ?? 0),
    assumptions: assumptionsOf(file, fleet, knee, drained),
  };
}

/** The runs of one replica that kept up, at rising rates. They are of one set-up: that of the most runs. */
function curveOf(file: Measured, transport: string | undefined): RunFigures[] {
  const usable = file.runs.filter(
    (run) =>
      run.offered !== null &&
      run.keepsUp &&
      run.replicas === 1 &&
      run.threads > 0 &&
      (transport === undefined || run.transport === transport) &&
      (run.scenario === 'knee' || run.scenario === 'steady'),
  );
  const transports = [...new Set(usable.map((run) => run.transport))];
  if (transports.length > 1)
    throw new RangeError(`the file has runs of ${transports.join(', ')}: name one of them with --transport`);
  const groups = Map.groupBy(usable, ({ transport, codec, auth, instances, body }) =>
    [transport, codec, auth, instances, body].join(' '),
  );
  const [most] = [...groups.values()].toSorted((a, b) => b.length - a.length);
  if (most === undefined) {
    const of = transport === undefined ? '' : ` of ${transport}`;
    throw new RangeError(
      `the file has no run${of} with one replica that kept up with its rate: run the bench's knee`,
    );
  }
  return most.toSorted((a, b) => a.rate - b.rate);
}

/** Messages a second that one replica drained from a backlog. */
function drainRates(file: Measured, transport: string): number[] {
  return file.drains.filter((drain) => drain.transport === transport).map(({ rate }) => rate);
}

/**
 * A figure a second at a rate, from what was measured a message at other rates. It is linear between the runs and in proportion beyond them: a
 * part of the cost is a batch's, and batches grow with the rate. Undefined if a run lacks it.
 */
function interpolate(
  curve: ReadonlyArray<RunFigures>,
  rate: number,
  perMessage: (run: RunFigures) => number | null,
): number | undefined {
  if (curve.some((run) => perMessage(run) === null)) return undefined;
  const perSecond = (run: RunFigures) => run.rate * (perMessage(run) ?? 0);
  const [first] = curve;
  const last = curve.at(-1);
  if (first === undefined || last === undefined) return undefined;
  if (rate <= first.rate) return (perSecond(first) / first.rate) * rate;
  if (rate >= last.rate) return (perSecond(last) / last.rate) * rate;
  return betweenRuns(curve, rate, perSecond);
}

/** Linear between the runs on both sides of a rate. */
function betweenRuns(
  curve: ReadonlyArray<RunFigures>,
  rate: number,
  of: (run: RunFigures) => number | undefined,
): number | undefined {
  const above = curve.find((run) => run.rate >= rate);
  const below = curve.findLast((run) => run.rate <= rate) ?? above;
  if (above === undefined || below === undefined) return undefined;
  const [low, high] = [of(below), of(above)];
  if (low === undefined || high === undefined) return undefined;
  const share = above.rate === below.rate ? 0 : (rate - below.rate) / (above.rate - below.rate);
  return low + (high - low) * share;
}

function assumptionsOf(
  { machine, parameters, drains }: Measured,
  fleet: Fleet,
  knee: RunFigures,
  drained: number,
): string[] {
  const isPrivate = parameters.broker === undefined || parameters.database === undefined;
  return [
    `a replica has a machine as the bench's (${machine.cores} cores, ${machine.model}) and ${Math.max(1, knee.threads)} worker thread(s)`,
    ...(isPrivate
      ? [
          'in the bench the replica shared that machine with broker, Postgres and generators: on a machine of its own it takes more',
        ]
      : []),
    `messages of ${knee.body} bytes, ${knee.codec}, auth ${knee.auth}, evenly over the interval, about ${knee.instances} instances in the bench`,
    `a replica takes ${Math.round(knee.rate)} messages/s with 99 % within ${usualLimit} ms, and ${Math.round(drained)}/s of a backlog (${drains.length > 0 ? 'by the drain' : 'the same, since the file has no drain'})`,
    'more replicas share the work evenly, and broker and Postgres bear the sum: check it with --replicas',
    `broker ${fleet.brokerCores ?? machine.cores} cores, Postgres ${fleet.databaseCores ?? machine.cores} cores; disks, networks and the clustering of either are not in it`,
    'one more replica than proposed lets one be lost or restarted',
  ];
}

import type { MetricsSubject, WorkerFigures } from '../admin/metrics/subject.ts';
import type { Config } from '../core/config/load.ts';
import type { Masking } from '../core/config/secrets.ts';
import type { Adopter } from '../core/gateway/adoption.ts';
import type { ClockWatch } from '../core/gateway/clock-watch.ts';
import type { Counters } from '../core/gateway/counters.ts';
import type { Dispatcher } from '../core/gateway/dispatcher.ts';
import type { PutAside } from '../core/gateway/put-aside.ts';
import type { Supervisor } from '../core/gateway/supervisor.ts';
import type { Utilisation } from '../core/gateway/utilisation.ts';
import type { WedgeWatch } from '../core/gateway/wedge.ts';
import type { JobFigures } from '../core/job-figures.ts';
import { version } from '../core/version.ts';
import type { DatabaseWatch } from '../jobs/database-watch.ts';
import type { Jobs } from '../jobs/jobs.ts';
import type { WorkerPool } from '../workers/pool.ts';
import type { DurabilityWatch } from './durability.ts';
import type { ReplicaOutbox } from './outbox.ts';
import type { Reloaded, Reloading } from './reload.ts';
import type { Stopping } from './stop.ts';

/** A running replica. */
export interface Conductor extends MetricsSubject {
  /** Takes no more messages, finishes those in flight, and gives back the rest, within `shutdown.deadline`. A second call does nothing more. */
  stop(): Promise<void>;
  /** Gives all messages back at once, for a process that is about to end. Resolves within a third of a second. Never rejects. */
  abandon(): Promise<void>;
  /**
   * Takes over the credentials, certificates, grants and log level of a configuration that was read anew. Rejects with ConfigError or
   * NotConnected if they cannot be used; then nothing has changed. One call at a time.
   */
  reload(config: Config): Promise<Reloaded>;
}

export interface ReplicaParts {
  readonly config: Config;
  readonly counters: ReadonlyMap<string, Counters>;
  readonly transports: ReadonlyArray<{
    readonly name: string;
    readonly supervisor: Pick<Supervisor, 'state' | 'lastError' | 'lastErrorAt' | 'counts' | 'openSession'>;
    readonly adopter: Pick<Adopter, 'present' | 'counts'> | undefined;
  }>;
  readonly dispatcher: Dispatcher;
  readonly pool: Pick<WorkerPool, 'queued' | 'deaths'>;
  readonly workers: Pick<WorkerFigures, 'threads' | 'slots' | 'callSlots'>;
  readonly outbox: Pick<ReplicaOutbox, 'counts'>;
  readonly jobs: Pick<Jobs, 'lastSuccess' | 'problem' | 'names'>;
  readonly figures: JobFigures;
  readonly putAside: Pick<PutAside, 'because'>;
  readonly wedge: Pick<WedgeWatch, 'because'>;
  readonly watch: Pick<DatabaseWatch, 'problem' | 'problemSince'>;
  readonly durability: Pick<DurabilityWatch, 'report'>;
  readonly clocks: Pick<ClockWatch, 'report'>;
  readonly utilisation: Pick<Utilisation, 'value' | 'parts'>;
  readonly stopping: Pick<Stopping, 'begun' | 'stop' | 'abandon'>;
  readonly reloading: Pick<Reloading, 'take'>;
  readonly masking: Pick<Masking, 'mask'>;
}

/** Reads the state of a replica from its parts. */
export class Replica implements Conductor {
  private readonly parts: ReplicaParts;
  readonly replica: string;
  readonly version = version;
  readonly counters: ReadonlyMap<string, Counters>;
  readonly kinds: ReadonlyMap<string, string>;
  readonly connections: MetricsSubject['connections'];
  readonly adoptions: MetricsSubject['adoptions'];
  readonly notifications: MetricsSubject['notifications'];
  readonly utilisation: MetricsSubject['utilisation'];
  readonly jobs: MetricsSubject['jobs'];
  readonly jobFigures: JobFigures;

  constructor(parts: ReplicaParts) {
    const { config, counters, transports, outbox, utilisation, jobs, figures } = parts;
    this.parts = parts;
    this.replica = config.replica;
    this.counters = counters;
    this.kinds = new Map(config.transports.map(({ name, printable }) => [name, String(printable.kind)]));
    this.connections = new Map(transports.map(({ name, supervisor: { counts } }) => [name, counts]));
    this.adoptions = new Map(transports.flatMap(({ name, adopter }) => (adopter ? [[name, adopter]] : [])));
    this.notifications = outbox.counts;
    this.utilisation = utilisation;
    this.jobs = jobs;
    this.jobFigures = figures;
  }

  get heldBecause() {
    return this.parts.dispatcher.heldBecause ?? this.parts.watch.problem;
  }

  get heldSince() {
    const { dispatcher, watch } = this.parts;
    const since = [dispatcher.gate.heldSince, watch.problemSince].filter((one) => one !== undefined);
    return since.length === 0 ? undefined : Math.min(...since);
  }

  get heldCause() {
    return this.parts.dispatcher.gate.heldCause;
  }

  get isDatabaseAway() {
    const { heldCause } = this;
    return this.parts.watch.problem !== undefined || heldCause?.startsWith('database-') === true;
  }

  get putAsideBecause() {
    return this.parts.putAside.because;
  }

  get wedgedBecause() {
    return this.parts.wedge.because;
  }

  get durability() {
    return this.parts.durability.report;
  }

  get oldestUnsettled() {
    return this.parts.dispatcher.oldestUnsettled;
  }

  get workers(): WorkerFigures {
    const { workers, dispatcher, pool } = this.parts;
    const { queued, deaths } = pool;
    return { ...workers, messages: dispatcher.load.now, calls: dispatcher.callLoad.now, queued, deaths };
  }

  get isStopping() {
    return this.parts.stopping.begun;
  }

  /** The functions are passed on by themselves, for example to the end of a process. So each keeps its `this`. */
  readonly clocks = () => this.parts.clocks.report;

  readonly states = () =>
    Object.fromEntries(
      this.parts.transports.map(({ name, supervisor, adopter }) => {
        const { state, lastError, lastErrorAt, openSession } = supervisor;
        return [
          name,
          { state, lastError, lastErrorAt, stall: openSession?.stall, adopting: adopter?.present },
        ];
      }),
    );

  readonly mask = (text: string): string => this.parts.masking.mask(text);

  readonly stop = (): Promise<void> => this.parts.stopping.stop();

  readonly abandon = (): Promise<void> => this.parts.stopping.abandon();

  readonly reload = (next: Config): Promise<Reloaded> => this.parts.reloading.take(next);
}

/** The figures that the bench writes and `conductor size` reads. Null where something could not be measured. */

export interface BenchFile {
  readonly kind: 'conductor-bench';
  readonly version: 1;
  readonly machine: Machine;
  /** Versions of the programs that were measured, by their names. */
  readonly versions: Readonly<Record<string, string>>;
  /** Of the conductor; null outside a checkout. */
  readonly commit: string | null;
  readonly command: string;
  readonly startedAt: string;
  readonly parameters: Readonly<Record<string, unknown>>;
  readonly runs: ReadonlyArray<RunFigures>;
  /** Full queues that were drained, beside the floor. */
  readonly drains: ReadonlyArray<DrainFigures>;
}

/** Medians of the rounds. CPU in microseconds a message. */
export interface DrainFigures {
  readonly transport: string;
  readonly messages: number;
  /** Messages a second. */
  readonly rate: number;
  readonly bareRate: number;
  readonly cpu: { readonly replica: number; readonly broker: number; readonly postgres: number };
  /** The floor's CPU a message ÷ the conductor's: of the processes alone, and with their servers. */
  readonly efficiency: { readonly own: number; readonly withServers: number };
}

export interface Machine {
  readonly cores: number;
  readonly model: string;
  readonly memoryBytes: number;
}

/** Milliseconds. */
export interface Quantiles {
  readonly count: number;
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly p999: number;
  readonly max: number;
}

/** One measured window. */
export interface RunFigures {
  /** `steady`, `knee`, `mixed`, `start` or `recovery`. */
  readonly scenario: string;
  readonly transport: string;
  readonly codec: string;
  readonly auth: string;
  readonly instances: number;
  /** Bytes of a heartbeat's body. */
  readonly body: number;
  readonly replicas: number;
  /** Worker threads of a replica; 0: without worker threads. */
  readonly threads: number;
  /** Messages a second: those that were due, and those that were settled. Offered is null if all were due at once. */
  readonly offered: number | null;
  readonly rate: number;
  readonly seconds: number;
  /** Whether rate and offered agree within 3 %. */
  readonly keepsUp: boolean;
  readonly sent: number;
  readonly settled: number;
  /** Sent and not settled at the end of the cool-down. */
  readonly missing: number;
  readonly outcomes: Readonly<Record<string, number>>;
  readonly redelivered: number;
  readonly callErrors: number;
  /** Milliseconds from the time a message was due. `work` is from its receipt to its settlement. */
  readonly latency: {
    readonly receive: Quantiles | null;
    readonly commit: Quantiles | null;
    readonly settle: Quantiles | null;
    readonly work: Quantiles | null;
    readonly call: Quantiles | null;
  };
  /** CPU microseconds a message. The replicas' is that of their main threads, their worker threads and the rest. */
  readonly cpu: {
    readonly replicas: number;
    readonly main: number;
    readonly workers: number;
    readonly broker: number | null;
    readonly postgres: number | null;
    readonly generators: number | null;
  };
  readonly batch: { readonly mean: number; readonly p50: number; readonly p99: number; readonly max: number };
  /** The greatest of a replica, since its start. */
  readonly peakBytes: number;
  /** Part of the updates that touched no index. */
  readonly hot: number | null;
  /** Bytes of WAL a message. */
  readonly wal: number | null;
  /** Connections to Postgres of a replica. */
  readonly connections: number | null;
  /** Part of a thread's time that its garbage collection took: the greatest. */
  readonly garbage: number;
  /** Milliseconds by which a timer of the main thread was late. */
  readonly loopDelayP99: number;
  /** Of `recovery`: the outage in seconds, the messages that waited, and the seconds until none waited. */
  readonly recovery: { readonly outage: number; readonly backlog: number; readonly seconds: number } | null;
}

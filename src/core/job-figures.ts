/** The figures of a replica's jobs, for the metrics. Each is of this replica's rounds only: the replicas share the jobs. */

/** Rows of the tables, as one replica last saw them. */
export interface TableCounts {
  /** Rows by table: exact up to a bound, above it Postgres's own estimate. */
  readonly rows: Readonly<Record<TableName, number>>;
  /** Seconds since the deferred message that is longest overdue was due. 0: none is overdue. */
  readonly deferredOverdue: number;
  /** Seconds for which the oldest notification waits. 0: none waits. */
  readonly outboxAge: number;
}

export const tableNames = [
  'deferred',
  'dead_letters',
  'notification_outbox',
  'call_results',
  'status_transitions',
  'service_statuses',
] as const;
export type TableName = (typeof tableNames)[number];

/** What a round of the sweep came to. `waited`: it judged nobody. `suspect`: nearly all guests are silent, so it marked nobody. */
export const sweepRounds = ['judged', 'waited', 'suspect'] as const;

/** The fleet as the last census of this replica has counted it. */
export interface FleetCounts {
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly watched: number;
  readonly late: number;
  readonly silent: number;
  readonly overdue: number;
}

/** What the jobs have done for one transport. */
export class TransportWork {
  /** Deferred messages that were retried, and those of them that no longer wait. */
  retried = 0;
  resolved = 0;
  /** Redriven dead letters by outcome. The outcomes are an enumeration. */
  readonly redriven: Record<string, number> = {};

  countRetried({ retried, resolved }: { readonly retried: number; readonly resolved: number }): void {
    this.retried += retried;
    this.resolved += resolved;
  }

  countRedriven(outcomes: Readonly<Record<string, number>>): void {
    for (const [outcome, count] of Object.entries(outcomes))
      this.redriven[outcome] = (this.redriven[outcome] ?? 0) + count;
  }
}

export class JobFigures {
  readonly transports: ReadonlyMap<string, TransportWork>;
  readonly sweepRounds = { judged: 0, waited: 0, suspect: 0 };
  /** Instances that the sweep has marked; with `sweep.mode: dry-run`, would have. */
  sweepMarked = 0;
  /** Undefined before the first census of this replica. */
  fleet: FleetCounts | undefined;
  /** Undefined before the database was asked, and while it is away. */
  tables: TableCounts | undefined;

  /** @param transports their names. */
  constructor(transports: ReadonlyArray<string>) {
    this.transports = new Map(transports.map((name) => [name, new TransportWork()]));
  }
}

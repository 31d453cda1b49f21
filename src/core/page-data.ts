/** What the status page shows of the database. All times are the database's, in milliseconds since the epoch. */

/** One status of the fleet. */
export interface StatusCount {
  readonly status: string;
  readonly count: number;
  /** Whether guests with this status are expected to send heartbeats. */
  readonly isAlive: boolean;
  /** By how much the transitions of `changes` have changed the count. */
  readonly change: number;
}

/** An instance that was not heard of for long. */
export interface SilentInstance {
  readonly id: string;
  readonly status: string;
  /** Milliseconds since the epoch: its last contact. */
  readonly heardAt: number;
}

export interface ReasonCount {
  readonly reason: string;
  readonly count: number;
}

/** The dead letters of one reason and transport. */
export interface LetterReason {
  readonly reason: string;
  readonly transport: string;
  readonly dead: number;
  /** Those whose redrive was asked for. */
  readonly waiting: number;
  readonly redriven: number;
  /** The messages that the dead ones stand for. */
  readonly messages: number;
  /** Milliseconds since the epoch. */
  readonly newestAt: number;
}

/** The fleet as one replica has counted it on behalf of all. Times are those of the database, in milliseconds since the epoch. */
export interface FleetSnapshot {
  readonly begunAt: number;
  readonly replica: string;
  readonly statuses: ReadonlyArray<StatusCount>;
  /** The alive ones that were not heard of for the whole of `sweep.heartbeatExpiry`. */
  readonly silent: number;
  /** The silent ones, and those that the sweep has marked as unknown; the oldest first. */
  readonly oldest: ReadonlyArray<SilentInstance>;
  /** The transitions that `change` counts, and since when. */
  readonly changes: { readonly count: number; readonly since: number };
  readonly deferred: ReadonlyArray<ReasonCount>;
  /** Deferred messages beyond those that were counted. */
  readonly isDeferredCut: boolean;
  readonly letters: ReadonlyArray<LetterReason>;
}

export interface ReplicaRow {
  readonly replica: string;
  readonly transport: string;
  readonly startedAt: number;
  readonly seenAt: number;
  /** Milliseconds for which its oldest message was unsettled; null: it has stopped in good order. */
  readonly oldestUnsettled: number | null;
  readonly adopter: string | null;
}

export interface RecentTransition {
  readonly id: string;
  readonly instance: string;
  readonly at: number;
  readonly from: string | null;
  readonly to: string;
  readonly cause: string;
}

/** The part of the page that is read anew every two seconds. */
export interface Present {
  /** The database's clock. */
  readonly now: number;
  readonly replicas: ReadonlyArray<ReplicaRow>;
  /** The newest first. */
  readonly transitions: ReadonlyArray<RecentTransition>;
  /** Writes to the table of statuses since its statistics began, of all replicas. Undefined: Postgres keeps none. */
  readonly writes: number | undefined;
}

/** The last look at the database. */
export interface Seen {
  readonly present: Present | undefined;
  readonly fleet: FleetSnapshot | undefined;
  /** Why the last look failed; undefined if it did not. */
  readonly problem: string | undefined;
  /** Since when it fails. Milliseconds since the epoch, by the clock of the replica. */
  readonly problemSince: number | undefined;
}

import type { DatabaseAddress } from '../core/config/database-hosts.ts';

/** The result of one round of a job. */
export interface JobResult {
  /** Whether work is left that is due now. The next round is then due at once. */
  readonly isUnfinished?: boolean;
  /** Why the round failed. The next one is due later than usual. */
  readonly failedBecause?: string;
}

/**
 * Work that one replica at a time does again and again, on behalf of all of them. The replicas compete anew for each round.
 *
 * A round may be cut off at any instant, and another replica then repeats it. In rare cases two replicas run a round side by side: the
 * first one hangs, and another one takes over. So a round must do no harm then.
 */
export interface Job {
  /** Unique, and the same on all replicas that compete. A job about one transport has the name of `perTransport`. */
  readonly name: string;
  /** Milliseconds from the end of a round to the next one. */
  readonly every: number;
  /**
   * One round. `signal` is aborted when the replica stops, or when it has lost the job. A round that takes ten times `health.wedgedAfter`
   * counts as hung: return `isUnfinished` before that.
   */
  run(signal: AbortSignal): Promise<JobResult>;
}

/** The name of a job that only replicas with this transport can do. */
export function perTransport(name: string, transport: string): string {
  return `${name}/${transport}`;
}

/** A connection inside a transaction. */
export interface JobDb {
  /** `name` is unique to the statement, so that a connection prepares it once. Empty: it is not prepared. */
  query<Row extends Record<string, unknown>>(
    name: string,
    text: string,
    values: ReadonlyArray<unknown>,
  ): Promise<Row[]>;
}

/** The connection for the rounds of all jobs, apart from those of the messages. */
export interface JobsDatabase {
  /** Runs `work` in a transaction. Waits while another round has the connection, so a transaction takes a second at most. */
  transaction<Result>(work: (db: JobDb) => Promise<Result>): Promise<Result>;
}

/** The connection of pg-boss, so that it never waits for a round. */
export interface BossDatabase {
  transaction<Result>(work: (db: JobDb) => Promise<Result>): Promise<Result>;
  /** Runs a text of several statements that has a transaction of its own. Resolves with all their rows. */
  script(text: string): Promise<unknown[]>;
}

/** The connections of a replica's jobs. */
export interface JobsConnections {
  readonly rounds: JobsDatabase;
  readonly boss: BossDatabase;
  /** Takes other credentials, for new connections. */
  renew(address: DatabaseAddress): void;
  close(): Promise<void>;
}

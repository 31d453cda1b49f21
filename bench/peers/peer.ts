import type { Process } from '../../test/support/processes.ts';

/** A program that does the conductor's work: it takes Trove's heartbeats from the queue `trove-conductor` and writes them to Postgres. */
export interface Peer {
  readonly name: string;
  /** Why it cannot run here, and what to do; undefined if it can. May install what it needs. */
  missing(): Promise<string | undefined>;
  /** What the database needs beside the conductor's tables, as statements. */
  readonly tables?: () => string;
  /** The table that has `instance_id` and `status_description` of what it has applied; `service_statuses` unless told. */
  readonly table?: string;
  start(services: PeerServices): Process;
  /** Messages a second that it takes about, for the size of its queue. */
  readonly about: number;
}

export interface PeerServices {
  /** Of RabbitMQ. */
  readonly broker: string;
  readonly database: string;
  /** A folder for files of the peer. */
  readonly folder: string;
}

import type { Adopting, AdoptionCounts } from '../../core/gateway/adoption.ts';
import type { UtilisationParts } from '../../core/gateway/utilisation.ts';
import type { HoldCause } from '../../core/hold-causes.ts';
import type { JobFigures } from '../../core/job-figures.ts';
import type { Subject } from '../health.ts';

/** The state of a replica, from which a scrape reads its metrics. Reading it asks nobody. */
export interface MetricsSubject extends Subject {
  readonly replica: string;
  readonly version: string;
  /** The protocol of each transport. */
  readonly kinds: ReadonlyMap<string, string>;
  /** How often each transport has connected, and how often an attempt or a session has failed. */
  readonly connections: ReadonlyMap<string, { readonly connected: number; readonly failed: number }>;
  /** Of the transports whose broker keeps a session for each replica: what was taken over from replicas that are gone. */
  readonly adoptions: ReadonlyMap<
    string,
    { readonly counts: AdoptionCounts; readonly present: Adopting | undefined }
  >;
  readonly heldCause: HoldCause | undefined;
  /** Whether the database takes no changes, as far as the replica knows. */
  readonly isDatabaseAway: boolean;
  /** Milliseconds for which the oldest message waits for its outcome. */
  readonly oldestUnsettled: number;
  readonly utilisation: { readonly value: number; readonly parts: UtilisationParts };
  readonly workers: WorkerFigures;
  readonly jobs: {
    readonly names: ReadonlyArray<string>;
    readonly problem: string | undefined;
    /** Milliseconds since the epoch; undefined if no success is known. */
    lastSuccess(name: string): number | undefined;
  };
  readonly jobFigures: JobFigures;
  /** Notifications by transport. */
  readonly notifications: ReadonlyMap<string, { readonly published: number; readonly failed: number }>;
}

export interface WorkerFigures {
  readonly threads: number;
  /** Batches and calls that can run at once. */
  readonly slots: number;
  readonly callSlots: number;
  /** Messages and calls in workers now. */
  readonly messages: number;
  readonly calls: number;
  /** Tasks that wait for a thread. */
  readonly queued: number;
  /** Batches and calls whose thread died. */
  readonly deaths: number;
}

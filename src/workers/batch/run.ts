import type { Outcome } from '../../core/message/outcome.ts';
import type { Db } from '../postgres/transaction.ts';
import type { BatchItem } from './item.ts';
import type { Resolved } from './leftovers/record.ts';
import type { ThreadState } from './thread-state.ts';

/** What a caller does about outcomes inside their transaction. */
export interface Hooks {
  /** Whether a locked row is waited for. Where not, its message is deferred at once. */
  readonly waits: boolean;
  /** Whether a message has to be proven to be at fault. Where not, it stands for itself, and is refused as it fails. */
  readonly needsContrast: boolean;
  /**
   * When a message failed first, in milliseconds of the monotonic clock. What others of its method have committed since then is the
   * contrast that convicts it. Undefined: in this run.
   */
  readonly failingSince?: (item: BatchItem) => number | undefined;
  /** Runs at the start of each transaction. Tells which works have been overtaken meanwhile: they are stale. */
  readonly begin?: (db: Db, items: ReadonlyArray<BatchItem>) => Promise<ReadonlySet<BatchItem>>;
  /** Has the last word on an outcome, before it is recorded. */
  readonly judge: (item: BatchItem, outcome: Outcome) => Outcome;
  /** Runs at the end of each transaction. */
  readonly finish: (db: Db, resolved: ReadonlyArray<Resolved>) => Promise<void>;
}

/** One batch on its way: what all of its transactions share. */
export interface Run extends ThreadState {
  readonly hooks: Hooks;
  /** Of what has been committed. */
  readonly outcomes: Map<BatchItem, Outcome>;
  readonly startedAt: number;
}

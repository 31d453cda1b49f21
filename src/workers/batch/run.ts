import type { Outcome } from '../../core/message/outcome.ts';
import type { Db } from '../postgres/transaction.ts';
import type { TransactionLog } from '../postgres/transaction-log.ts';
import type { BatchItem } from './item.ts';
import type { Resolved } from './leftovers/record.ts';
import type { ThreadState } from './thread-state.ts';

/** The caller's part in the transaction. */
export interface Hooks {
  /** Whether to wait for a locked row. Otherwise its message is deferred at once. */
  readonly waits: boolean;
  /** Whether contrast must prove that a message is at fault. Otherwise a message that fails alone is refused. */
  readonly needsContrast: boolean;
  /**
   * The time of a message's first failure, in milliseconds of the monotonic clock. Messages of its method that committed since then are
   * the contrast that convicts it. Undefined: it failed in this run.
   */
  readonly failingSince?: (item: BatchItem) => number | undefined;
  /** Runs at the start of each transaction. Returns the items that have been overtaken meanwhile; they are stale. */
  readonly begin?: (db: Db, items: ReadonlyArray<BatchItem>) => Promise<ReadonlySet<BatchItem>>;
  /** Decides the final outcome before it is recorded. */
  readonly judge: (item: BatchItem, outcome: Outcome) => Outcome;
  /** Runs at the end of each transaction. */
  readonly finish: (db: Db, resolved: ReadonlyArray<Resolved>) => Promise<void>;
}

/** One run of a batch: the state that all of its transactions share. */
export interface Run extends ThreadState {
  readonly hooks: Hooks;
  /** The committed items with their outcomes: one list for each transaction. No item is in two of them. */
  readonly committed: Array<ReadonlyArray<Resolved>>;
  readonly startedAt: number;
  /** Set if tracing is on. */
  readonly log: TransactionLog | undefined;
}

import type { DeadNotice, RunAgainFigures } from '../core/message/outcome.ts';

/** The result of one round of retries. */
export interface RetryResult extends RunAgainFigures {
  /** Deferred messages that were due. */
  readonly retried: number;
  /** The retried messages that are applied, stale, duplicate or dead now. */
  readonly resolved: number;
  /** The retried messages that are dead now. */
  readonly dead?: ReadonlyArray<DeadNotice>;
  /** Whether as many messages were due as a round takes, or more. */
  readonly isUnfinished: boolean;
  /** Whether notifications were stored. They can be published now. */
  readonly notifies?: boolean;
}

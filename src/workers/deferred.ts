import type { DeadNotice, Notification } from '../core/message/outcome.ts';

/** Identifies one version of a deferred message's row, since a newer message may be merged into the row. */
export interface DeferredVersion {
  readonly method: string;
  readonly key: string;
  readonly sent: number;
}

/** A notification that a deferred message has caused. */
export interface DueNotification {
  readonly transport: string;
  readonly notification: Notification;
  /** The message's row. */
  readonly row: DeferredVersion;
}

/** The result of one round of retries. */
export interface RetryResult {
  /** Deferred messages that were due. */
  readonly retried: number;
  /** The retried messages that are applied, stale, duplicate or dead now. */
  readonly resolved: number;
  /** The retried messages that are dead now. */
  readonly dead?: ReadonlyArray<DeadNotice>;
  /** Whether as many messages were due as a round takes, or more. */
  readonly isUnfinished: boolean;
  /** The notifications of retried messages. Each message stays deferred until its notification is published and `forget` is called. */
  readonly notifications?: ReadonlyArray<DueNotification>;
  readonly failedBecause?: string;
}

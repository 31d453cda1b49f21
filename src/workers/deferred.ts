import type { DeadNotice, Notification } from '../core/message/outcome.ts';

/** Which version of a deferred message's row is meant: a newer message may be laid over it. */
export interface DeferredVersion {
  readonly method: string;
  readonly key: string;
  readonly sent: number;
}

/** A notification that a deferred message has led to. */
export interface DueNotification {
  readonly transport: string;
  readonly notification: Notification;
  /** The message's row. */
  readonly row: DeferredVersion;
}

/** What one round of retrying deferred messages and of keeping tables bounded did. */
export interface MaintenanceResult {
  /** Deferred messages that were due. */
  readonly retried: number;
  /** Of those, that now are applied, stale, duplicate or dead. */
  readonly resolved: number;
  /** Those that are dead now. */
  readonly dead?: ReadonlyArray<DeadNotice>;
  /** Old dead letters that were deleted to keep the table bounded. */
  readonly trimmed: number;
  /** What retried messages have led to. Each message stays deferred until its notification is published and it is forgotten. */
  readonly notifications?: ReadonlyArray<DueNotification>;
  readonly failedBecause?: string;
}

import type { TraceContext } from './trace-context.ts';

/**
 * A message of our own that follows from a message of a guest. It is stored in the table notification_outbox, in the transaction of
 * that message, and published afterwards: at least once, and in order for each instance.
 */
export interface Notification {
  readonly topic: string;
  readonly body: Uint8Array;
  /**
   * The same each time that the message is applied, so that a listener recognizes a repetition. If it is missing, it is derived from the
   * message.
   */
  readonly id?: string;
}

/** A stored notification that a replica has claimed, to publish it. */
export interface ClaimedNotification {
  /** The id of its row. */
  readonly row: string;
  readonly topic: string;
  readonly messageId: string;
  /** Null: it may be published before or after any other. */
  readonly instanceId: string | null;
  readonly body: Uint8Array;
  /** Of the message that led to it; null if it has none. */
  readonly trace: TraceContext | null;
}

/** The results of claimed notifications. Each list has the ids of rows. */
export interface PublishedNotifications {
  /** The broker has them. */
  readonly published: ReadonlyArray<string>;
  /** Each is tried again later, and those behind it wait. */
  readonly failed: ReadonlyArray<{ readonly row: string; readonly error: string }>;
  /** Not tried. Any replica may claim them. */
  readonly released: ReadonlyArray<string>;
}

import type { DeadReason } from '../errors.ts';
import type { HoldCause } from '../hold-causes.ts';
import type { BatchFigures } from './batch-figures.ts';
import type { CallAddress } from './envelope.ts';
import type { Notification } from './notification.ts';
import type { TraceContext } from './trace-context.ts';

/** The outcome of one message. Every message has exactly one. Every outcome settles the message as done. */
export type Outcome =
  | { readonly kind: 'applied'; readonly notification?: Notification }
  /** A newer message about the same key has been applied before. */
  | { readonly kind: 'stale' }
  /** A message with the same `sent` has been applied before: most likely the same message, delivered twice. */
  | { readonly kind: 'duplicate' }
  /** Its sender is over its quota, and a newer message about the same key, which is stored, says all that it says. */
  | { readonly kind: 'superseded' }
  /** Stored, to be tried again later. */
  | { readonly kind: 'deferred'; readonly reason: DeferredReason }
  /** Stored as a dead letter. It is not tried again by itself. */
  | { readonly kind: 'dead'; readonly reason: DeadReason; readonly detail: string }
  /** A call: executed, and its result is published. */
  | { readonly kind: 'answered' }
  /** A call: refused or failed, and the caller has been told why. */
  | { readonly kind: 'refused' }
  /** A call: not executed, since its caller no longer waits. */
  | { readonly kind: 'expired' };

/**
 * `unknown`: the instance or backup is not in the database yet. `locked`: another session holds the row's lock. `contended`: other
 * transactions were in the way. `unproven`: the message fails, and so do all others of its method, or there are no others. `over_quota`: its
 * sender sends more than `quotas.perSecond` or `quotas.bytesPerSecond`.
 */
export const deferredReasons = ['unknown', 'locked', 'contended', 'unproven', 'over_quota'] as const;
export type DeferredReason = (typeof deferredReasons)[number];

export const applied: Outcome = { kind: 'applied' };
export const stale: Outcome = { kind: 'stale' };
export const duplicate: Outcome = { kind: 'duplicate' };
export const superseded: Outcome = { kind: 'superseded' };
export const deferred: Record<DeferredReason, Outcome> = {
  unknown: { kind: 'deferred', reason: 'unknown' },
  locked: { kind: 'deferred', reason: 'locked' },
  contended: { kind: 'deferred', reason: 'contended' },
  unproven: { kind: 'deferred', reason: 'unproven' },
  over_quota: { kind: 'deferred', reason: 'over_quota' },
};
export function dead(reason: DeadReason, detail: string): Extract<Outcome, { kind: 'dead' }> {
  return { kind: 'dead', reason, detail };
}

/** The outcomes of a cast. */
export const castOutcomeKinds = ['applied', 'stale', 'duplicate', 'deferred', 'dead', 'superseded'] as const;

/** All kinds in the order of their codes. An outcome crosses the thread boundary as one byte. */
export const outcomeKinds = [...castOutcomeKinds, 'answered', 'refused', 'expired'] as const;
export type CastOutcomeKind = (typeof castOutcomeKinds)[number];
export type OutcomeKind = (typeof outcomeKinds)[number];

/** A code in place of an outcome: nothing was committed for this message, so it is tried again. */
export const HELD = 255;

/** A code in place of an outcome: the message is a call. It runs by itself after the batch has settled. */
export const CALL = 254;

/** A dead letter as the log shows it. It has no body, since a body may hold any bytes and be long. */
export interface DeadNotice {
  readonly transport: string;
  readonly reason: DeadReason;
  readonly method?: string | undefined;
  readonly instanceId?: string | undefined;
  readonly messageId?: string | undefined;
  readonly detail?: string | undefined;
}

/** A transaction of a worker. The times are milliseconds of `monotonic`. */
export interface TransactionTimes {
  readonly begunAt: number;
  readonly endedAt: number;
  readonly hasCommitted: boolean;
}

/** A worker's report about a batch. */
export interface BatchResult {
  /** One code for each message, in the batch's order: an index into `outcomeKinds`, CALL or HELD. */
  readonly codes: Uint8Array;
  /** The batch's dead letters, for the counters and the log. */
  readonly dead: ReadonlyArray<DeadNotice>;
  /** Why messages are held, if any are: Postgres is gone, or fails for a reason that is no message's fault. */
  readonly heldBecause?: string | undefined;
  readonly heldCause?: HoldCause | undefined;
  /** Why all messages of a method are put aside, if they are. The operator must act; other methods go on. */
  readonly putAsideBecause?: string | undefined;
  /** The answers' addresses for calls whose body gives one, by the call's index in the batch. */
  readonly addresses?: ReadonlyArray<readonly [index: number, address: CallAddress]> | undefined;
  /** Whether notifications were stored. They can be published now. */
  readonly notifies?: boolean | undefined;
  /** Guests whose clocks may be wrong; undefined if there are none. */
  readonly clocks?: ClockNotes | undefined;
  /** For the metrics. */
  readonly figures?: BatchFigures | undefined;
  /** For the spans, if tracing is on; bounded. */
  readonly transactions?: ReadonlyArray<TransactionTimes> | undefined;
}

/** Messages of a batch whose times point to a wrong clock. Both lists are bounded. */
export interface ClockNotes {
  /** Seconds ahead of the clock of the replica's machine. */
  readonly ahead: ReadonlyArray<readonly [instanceId: string, seconds: number]>;
  /** The instances of stale heartbeats. */
  readonly stale: ReadonlyArray<string>;
}

/** What the spans tell of messages that were stored and run again. */
export interface RunAgainFigures {
  /** Messages by outcome. */
  readonly outcomes: Readonly<Record<string, number>>;
  /** The contexts of those that have one. */
  readonly traces?: ReadonlyArray<TraceContext>;
  /** Why some of them still wait for an outcome. */
  readonly failedBecause?: string;
}

/** A worker's report about a call. */
export interface CallResult {
  /** Undefined: nothing was committed, so the call is tried again. */
  readonly outcome: 'answered' | 'refused' | 'expired' | 'dead' | undefined;
  /** The method, if the method table has it. */
  readonly method?: string | undefined;
  /** Set if the outcome is dead. */
  readonly dead?: DeadNotice | undefined;
  readonly heldBecause?: string | undefined;
  readonly heldCause?: HoldCause | undefined;
  /** Set if the call has no outcome because it waits for a status. It is held without a worker, and then runs again. */
  readonly waitsFor?: StatusWait | undefined;
  /** Whether the call is held because its connection was lost while its method ran. The method may be the cause. */
  readonly lost?: boolean | undefined;
  /** A line for the operator: a method of the Manager failed. */
  readonly problem?: string | undefined;
  readonly reply?: CallReply | undefined;
  /** Whether a notification was stored. It can be published now. */
  readonly notifies?: boolean | undefined;
  /** For the spans, if tracing is on; bounded. */
  readonly transactions?: ReadonlyArray<TransactionTimes> | undefined;
}

/** A call that waits until an instance has one of the statuses. */
export interface StatusWait {
  readonly instanceId: string;
  readonly statuses: ReadonlyArray<string>;
  /** The id of the instance's newest transition when the wait began. A bigint, so a text. */
  readonly since: string;
  /** Milliseconds. */
  readonly timeout: number;
}

/** For a call that has waited and runs again. */
export interface Resumption {
  readonly since: string;
  /** Why it waits no longer, if not for the status: its time is over, or there is no room. */
  readonly end?: 'over' | 'busy' | undefined;
}

/** The circumstances of one run of a call. */
export interface CallRun {
  /** Milliseconds that are left for the call. */
  readonly timeout: number;
  /** How often the call has lost its connection while its method ran. */
  readonly losses: number;
  /** Set if the call has waited. */
  readonly resumption?: Resumption | undefined;
}

export interface CallReply {
  readonly body: Uint8Array;
  /** The address that the call's body gives, if any; otherwise the delivery's `replyTo` applies. */
  readonly name?: string | undefined;
}

import type { DeadReason } from '../errors.ts';
import type { CallAddress } from './envelope.ts';

/** What became of one message. Every message has exactly one; all of them settle as done. */
export type Outcome =
  | { readonly kind: 'applied'; readonly notification?: Notification }
  /** A newer message about the same thing had been applied before. */
  | { readonly kind: 'stale' }
  /** A message with the same `sent` had been applied before: most likely this one, delivered twice. */
  | { readonly kind: 'duplicate' }
  /** Recorded, to be tried again later. */
  | { readonly kind: 'deferred'; readonly reason: DeferredReason }
  /** Recorded, never to be tried again by itself. */
  | { readonly kind: 'dead'; readonly reason: DeadReason; readonly detail: string }
  /** A call: executed, and its result sent to the caller. */
  | { readonly kind: 'answered' }
  /** A call: not executed, or executed in vain, and the caller told why. */
  | { readonly kind: 'refused' }
  /** A call: not executed, since its caller no longer waited for it. */
  | { readonly kind: 'expired' };

/** Something to be published before the message counts as settled; a redelivered message publishes it again. */
export interface Notification {
  readonly topic: string;
  readonly body: Uint8Array;
}

/**
 * `unknown`: its instance or backup is not in the database yet. `locked`: another session was seen to hold its row. `contended`:
 * other transactions were in its way. `unproven`: it fails, and so do all others of its method, or there are none.
 */
export type DeferredReason = 'unknown' | 'locked' | 'contended' | 'unproven';

export const applied: Outcome = { kind: 'applied' };
export const stale: Outcome = { kind: 'stale' };
export const duplicate: Outcome = { kind: 'duplicate' };
export const deferred: Record<DeferredReason, Outcome> = {
  unknown: { kind: 'deferred', reason: 'unknown' },
  locked: { kind: 'deferred', reason: 'locked' },
  contended: { kind: 'deferred', reason: 'contended' },
  unproven: { kind: 'deferred', reason: 'unproven' },
};
export function dead(reason: DeadReason, detail: string): Extract<Outcome, { kind: 'dead' }> {
  return { kind: 'dead', reason, detail };
}

/** What may become of a cast. */
export const castOutcomeKinds = ['applied', 'stale', 'duplicate', 'deferred', 'dead'] as const;

/** All kinds in the order of their codes: outcomes cross the thread boundary as one byte a message. */
export const outcomeKinds = [...castOutcomeKinds, 'answered', 'refused', 'expired'] as const;
export type CastOutcomeKind = (typeof castOutcomeKinds)[number];
export type OutcomeKind = (typeof outcomeKinds)[number];

/** Stands in place of an outcome's code: nothing was committed for this message, try it again. */
export const HELD = 255;

/** Stands in place of an outcome's code: the message is a call, to be run by itself once the batch has settled. */
export const CALL = 254;

/** What the log says of a dead letter. Never its body, which may be anything and of any length. */
export interface DeadNotice {
  readonly transport: string;
  readonly reason: DeadReason;
  readonly method?: string | undefined;
  readonly instanceId?: string | undefined;
  readonly messageId?: string | undefined;
  readonly detail?: string | undefined;
}

/** What a worker reports about a batch. */
export interface BatchResult {
  /** One code a message, in the batch's order: an index into `outcomeKinds`, CALL or HELD. */
  readonly codes: Uint8Array;
  /** Its dead letters, for the counters and the log. */
  readonly dead: ReadonlyArray<DeadNotice>;
  /** Why messages are held, if any are: Postgres is gone, or refuses what is not any message's fault. */
  readonly heldBecause?: string | undefined;
  /** Why all messages of a method are put aside, if they are: the operator has something to mend, while others go on. */
  readonly putAsideBecause?: string | undefined;
  /** Where answers go, for those calls whose body says it, by their place in the batch. */
  readonly addresses?: ReadonlyArray<readonly [index: number, address: CallAddress]> | undefined;
  /** By the message's place in the batch. */
  readonly notifications?: ReadonlyArray<readonly [index: number, notification: Notification]> | undefined;
}

/** What a worker reports about a call. */
export interface CallResult {
  /** Undefined: nothing was committed, try it again. */
  readonly outcome: 'answered' | 'refused' | 'expired' | 'dead' | undefined;
  /** Of a dead one. */
  readonly dead?: DeadNotice | undefined;
  readonly heldBecause?: string | undefined;
  /** It is held since its connection was lost while its method ran, which may be the method's doing. */
  readonly lost?: boolean | undefined;
  /** What the operator has to know of it: a method of the Manager failed. */
  readonly problem?: string | undefined;
  readonly reply?: CallReply | undefined;
  readonly notifications?: ReadonlyArray<Notification> | undefined;
}

export interface CallReply {
  readonly body: Uint8Array;
  /** Where to, if the body of the call says so; else it is its `replyTo`. */
  readonly name?: string | undefined;
}

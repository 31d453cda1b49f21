import type { DeadReason } from './errors.ts';

/** What became of one message. Every message has exactly one; all of them settle as done. */
export type Outcome =
  | { readonly kind: 'applied' }
  /** A newer message about the same thing had been applied before. */
  | { readonly kind: 'stale' }
  /** A message with the same `sent` had been applied before: most likely this one, delivered twice. */
  | { readonly kind: 'duplicate' }
  /** Recorded, to be tried again later. */
  | { readonly kind: 'deferred'; readonly reason: DeferredReason }
  /** Recorded, never to be tried again by itself. */
  | { readonly kind: 'dead'; readonly reason: DeadReason; readonly detail: string };

/** `unknown`: its instance or backup is not in the database yet. `locked`: another session keeps the row locked. */
export type DeferredReason = 'unknown' | 'locked';

export const applied: Outcome = { kind: 'applied' };
export const stale: Outcome = { kind: 'stale' };
export const duplicate: Outcome = { kind: 'duplicate' };
export const deferred: Record<DeferredReason, Outcome> = {
  unknown: { kind: 'deferred', reason: 'unknown' },
  locked: { kind: 'deferred', reason: 'locked' },
};
export function dead(reason: DeadReason, detail: string): Outcome {
  return { kind: 'dead', reason, detail };
}

/** The kinds in the order of their codes: outcomes cross the thread boundary as one byte a message. */
export const outcomeKinds = ['applied', 'stale', 'duplicate', 'deferred', 'dead'] as const;
export type OutcomeKind = (typeof outcomeKinds)[number];

/** Stands in place of an outcome's code: nothing was committed for this message, try it again. */
export const HELD = 255;

/** What a worker reports about a batch. */
export interface BatchResult {
  /** One code a message, in the batch's order: an index into `outcomeKinds`, or HELD. */
  readonly codes: Uint8Array;
  /** Dead letters by reason, for the counters. */
  readonly dead: ReadonlyArray<DeadReason>;
  /** Why messages are held, if any are: Postgres is gone, or refuses what is not any message's fault. */
  readonly heldBecause?: string | undefined;
}

import { createHistogram, type RecordableHistogram } from 'node:perf_hooks';
import type { DeadReason } from '../errors.ts';
import { type OutcomeKind, outcomeKinds } from '../message/outcome.ts';

/** Counts the outcomes of one transport's messages. At any time: received = the sum of outcomes + released + held. */
export class Counters {
  /** Deliveries accepted from the broker. A redelivery counts again. */
  received = 0;
  /** The received deliveries that the broker had delivered before. */
  redelivered = 0;
  readonly outcomes: Record<OutcomeKind, number> = {
    applied: 0,
    stale: 0,
    duplicate: 0,
    deferred: 0,
    dead: 0,
    answered: 0,
    refused: 0,
    expired: 0,
  };
  /** Dead letters by reason, those that died in `deferred` too; bounded, since the reasons are an enumeration. */
  readonly deadBy: Partial<Record<DeadReason, number>> = {};
  /** Given back to the broker without an outcome: at a stop, or because their session ended first. */
  released = 0;
  /** In memory now, waiting or in a worker. */
  held = 0;
  /** Those of them that are calls which wait for a status. They may stay for minutes, and nothing is wrong then. */
  waiting = 0;
  heldBytes = 0;
  /** Microseconds from a batch's oldest arrival to its settlement. */
  readonly latency: RecordableHistogram = createHistogram();

  countDead(reason: DeadReason): void {
    this.deadBy[reason] = (this.deadBy[reason] ?? 0) + 1;
  }

  /** Messages with an outcome that only the database can give. */
  get committed(): number {
    const { applied, stale, duplicate, deferred, dead, answered } = this.outcomes;
    return applied + stale + duplicate + deferred + dead + answered;
  }

  /** Messages that the counters cannot explain. Always zero; the tests check it. */
  get unexplained(): number {
    return (
      this.received -
      this.released -
      this.held -
      outcomeKinds.reduce((sum, kind) => sum + this.outcomes[kind], 0)
    );
  }
}

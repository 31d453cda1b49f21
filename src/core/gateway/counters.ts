import { createHistogram, type RecordableHistogram } from 'node:perf_hooks';
import type { DeadReason } from '../errors.ts';
import { Histogram, latencyBounds, sizeBounds } from '../histogram.ts';
import { type BatchFigures, monotonic } from '../message/batch-figures.ts';
import { type OutcomeKind, outcomeKinds } from '../message/outcome.ts';

/** The histograms of one transport's messages. Latencies are in seconds. */
export class Histograms {
  /** Messages of a batch. */
  readonly batchSize = new Histogram(sizeBounds);
  /** From the start of a batch to its result. */
  readonly batch = new Histogram(latencyBounds);
  /** From the sending of a cast, by the guest's clock, to the commit. */
  readonly sendToCommit = new Histogram(latencyBounds);
  /** From the arrival of a message to the commit; calls do not count. */
  readonly receiveToCommit = new Histogram(latencyBounds);
  /** From the commit to the moment at which the session is told to settle; calls do not count. */
  readonly commitToSettle = new Histogram(latencyBounds);
  /** One run of a call, its answer included. */
  readonly call = new Histogram(latencyBounds);
}

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
    superseded: 0,
    deferred: 0,
    dead: 0,
    answered: 0,
    refused: 0,
    expired: 0,
  };
  /** The outcomes by method, in the order of `outcomeKinds`; bounded, since workers report names of the method table only. */
  readonly byMethod = new Map<string, number[]>();
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
  readonly histograms = new Histograms();

  countDead(reason: DeadReason): void {
    this.deadBy[reason] = (this.deadBy[reason] ?? 0) + 1;
  }

  /** Takes what a worker reports about a batch whose messages are being settled. */
  addFigures({ methods, sendToCommit }: BatchFigures): void {
    for (const [method, counts] of methods) {
      const own = this.methodOf(method);
      for (let kind = 0; kind < own.length; kind += 1) own[kind] = (own[kind] ?? 0) + (counts[kind] ?? 0);
    }
    this.histograms.sendToCommit.add(sendToCommit);
  }

  /** Counts the outcome of a call. */
  countCall(method: string, outcome: OutcomeKind): void {
    const kind = outcomeKinds.indexOf(outcome);
    const own = this.methodOf(method);
    own[kind] = (own[kind] ?? 0) + 1;
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

  private methodOf(method: string): number[] {
    let counts = this.byMethod.get(method);
    if (counts === undefined) {
      counts = new Array<number>(outcomeKinds.length).fill(0);
      this.byMethod.set(method, counts);
    }
    return counts;
  }
}

/**
 * Milliseconds to add to `performance.now()` of this thread for `monotonic`. A busy machine may stop the thread between the two readings, and
 * the difference is too small then. So the largest of several counts.
 */
const offset = Math.max(...Array.from({ length: 10 }, () => monotonic() - performance.now()));

/** Milliseconds of this thread's `performance.now()` for a time of `monotonic`. */
export function localTime(time: number): number {
  return time - offset;
}

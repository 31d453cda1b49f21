import type { HoldCause } from '../hold-causes.ts';
import type { DeadNotice } from '../message/outcome.ts';
import type { Delivery, Session } from '../transport/contract.ts';
import { nextInTurn } from './batching.ts';
import type { Excess } from './excess.ts';
import type { InFlight } from './in-flight.ts';
import { LoadMeter } from './load-meter.ts';
import type { Replies } from './replies.ts';
import { StatusWaits, type StatusWaitsOptions } from './status-waits.ts';

/** Why messages have come back without an outcome. */
export interface Hold {
  readonly because: string;
  readonly cause: HoldCause | undefined;
}

/** The events of a `Calls`, for the dispatcher. */
export interface CallEvents {
  readonly onDead: (notice: DeadNotice) => void;
  /** A call has come back from its worker. If `hold` is set, the call has no outcome and waits again. */
  readonly onEnd: (inFlight: InFlight, hasCommitted: boolean, hold: Hold | undefined) => void;
  /** A caller has been told that there is no room. */
  readonly onRefused: (inFlight: InFlight) => void;
  /** A call that has waited for a status waits for a slot again, or is settled. */
  readonly onResume: () => void;
}

interface RunningCall {
  readonly inFlight: InFlight;
  readonly delivery: Delivery;
}

/**
 * A worker recognizes calls when it decodes a batch, and leaves them out. Each call then runs by itself, in a call slot: a slow call
 * does not delay casts. The answer is published before the call is settled. If there is no room for a call, it is refused at once, so
 * that casts always have the rest of the transport's share.
 */
export class Calls {
  private readonly replies: Replies;
  private readonly events: CallEvents;
  private readonly calling = new Set<RunningCall>();
  /** Calls without room, whose callers are being told. */
  private readonly refusing = new Set<RunningCall>();
  private readonly waits: StatusWaits;
  /** The calls in workers, for the utilisation. */
  readonly load = new LoadMeter();
  private turn = 0;

  constructor(replies: Replies, waits: StatusWaitsOptions, events: CallEvents) {
    this.replies = replies;
    this.waits = new StatusWaits(waits, () => events.onResume());
    this.events = events;
  }

  /** How many calls run. */
  get running(): number {
    return this.calling.size;
  }

  /** How many calls wait for a status. */
  get waiting(): number {
    return this.waits.size;
  }

  /** A session has ended. */
  forget(session: Session): void {
    this.waits.forget(session);
  }

  /** Gives the calls that wait for a status back to the brokers. */
  endWaits(): void {
    this.waits.close();
  }

  /**
   * Starts calls that wait. Transports take turns.
   *
   * @param slots how many may run at once.
   */
  start(slots: number, perTransport: ReadonlyArray<InFlight>): void {
    while (this.calling.size < slots) {
      const waiting = perTransport.map(({ calls }) => calls.count);
      const next = nextInTurn(waiting, this.turn, 1);
      const inFlight = next === undefined ? undefined : perTransport[next];
      const delivery = inFlight?.calls.take();
      if (next === undefined || inFlight === undefined || delivery === undefined) return;
      this.turn = next;
      void this.run({ inFlight, delivery });
    }
  }

  /** Tells the caller that there is no room, and settles the call. Never rejects. */
  async refuse(inFlight: InFlight, { delivery, address }: Excess): Promise<void> {
    const call = { inFlight, delivery };
    this.refusing.add(call);
    await this.replies.refuse(inFlight.transport, delivery, address);
    if (!this.refusing.delete(call)) return;
    inFlight.settleOne(delivery, { outcome: 'refused' });
    this.events.onRefused(inFlight);
  }

  /** Gives all calls back to the brokers. Later results are ignored, since the brokers deliver these calls again. */
  stop(): void {
    this.endWaits();
    for (const calls of [this.calling, this.refusing]) {
      for (const { inFlight, delivery } of calls) inFlight.release([delivery]);
      calls.clear();
    }
  }

  private async run(call: RunningCall): Promise<void> {
    const { inFlight, delivery } = call;
    this.calling.add(call);
    this.load.add(1);
    const startedAt = performance.now();
    const result = await this.replies.run(inFlight.transport, delivery, this.waits.resumption(delivery));
    this.load.add(-1);
    if (!this.calling.delete(call)) return;
    const { counters } = inFlight;
    counters.histograms.call.record((performance.now() - startedAt) / 1000);
    if (result.method !== undefined && result.outcome !== undefined)
      counters.countCall(result.method, result.outcome);
    if (result.waitsFor !== undefined) {
      this.waits.hold(inFlight, delivery, result.waitsFor);
      // The worker has read the status, so the database answers.
      return this.events.onEnd(inFlight, true, undefined);
    }
    if (result.dead !== undefined) this.events.onDead(result.dead);
    inFlight.settleCall(delivery, result);
    // A refused or late call may never have reached the database.
    const hasCommitted = result.outcome === 'answered';
    const { heldBecause: because = 'a worker left a call without an outcome', heldCause: cause } = result;
    this.events.onEnd(inFlight, hasCommitted, result.outcome === undefined ? { because, cause } : undefined);
  }
}

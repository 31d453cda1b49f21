import { type BatchResult, CALL, type CallResult, HELD, outcomeKinds } from '../message/outcome.ts';
import type { Delivery, Session, Share } from '../transport/contract.ts';
import { Counters } from './counters.ts';
import { type Excess, withAddresses } from './excess.ts';
import { WaitingCalls } from './waiting-calls.ts';

/** The part of a call's result that settles it. */
type SettledCall = Pick<CallResult, 'dead'> & { readonly outcome: NonNullable<CallResult['outcome']> };

export interface InFlightOptions {
  /** How many calls can run at once. */
  readonly callSlots: number;
  /** Whether a reply address among a message's properties makes it a call, whatever its body says. */
  readonly callsAreKnown: boolean;
  /** Of another inlet of the transport, to share them. */
  readonly counters?: Counters | undefined;
}

/** One transport's deliveries in memory, waiting or in a worker: bounds them by the share, counts them, and settles them. */
export class InFlight {
  readonly transport: string;
  readonly counters: Counters;
  private readonly share: Share;
  private readonly callsAreKnown: boolean;
  /** In memory now. The counters may have more, since other inlets of the transport may share them. */
  held = 0;
  private heldBytes = 0;
  private readonly closed = new WeakSet<Session>();
  /** Oldest first. */
  private pending: Delivery[] = [];
  /** Calls that wait for a call slot or run. */
  readonly calls: WaitingCalls;
  /** The session that delivered last. `pause` and `resume` go to it. */
  private session: Session | undefined;
  private paused = false;

  constructor(transport: string, share: Share, { callSlots, callsAreKnown, counters }: InFlightOptions) {
    this.transport = transport;
    this.share = share;
    this.counters = counters ?? new Counters();
    this.callsAreKnown = callsAreKnown;
    this.calls = new WaitingCalls(share, callSlots);
  }

  /** The delivery that waits for longest; undefined if none waits. */
  get oldest(): Delivery | undefined {
    return this.pending[0];
  }

  /** How many deliveries wait for a slot. */
  get waiting(): number {
    return this.pending.length;
  }

  /** Whether the share is used up: no further delivery can come. */
  get isFull(): boolean {
    return this.held >= this.share.messages || this.heldBytes >= this.share.bytes;
  }

  /** Takes a delivery, or refuses it. After a refusal the session delivers nothing until it is resumed. */
  add(delivery: Delivery): boolean {
    const { counters, share } = this;
    this.session = delivery.session;
    if (this.isFull) {
      this.paused = true;
      return false;
    }
    if (this.isLoneCall(delivery)) this.calls.add(delivery);
    else this.pending.push(delivery);
    counters.received += 1;
    this.hold(1, delivery.body.length);
    if (delivery.meta.redelivered) counters.redelivered += 1;
    // The broker bounds messages by itself, but it does not know our bound on bytes.
    if (this.heldBytes >= share.bytes) this.pause();
    return true;
  }

  /**
   * Whether a delivery is a call that needs no worker to recognize it. A call never overtakes casts that came before it, and one without
   * room needs a worker to read its reply address.
   */
  private isLoneCall({ meta }: Delivery): boolean {
    if (!this.callsAreKnown || meta.replyTo === undefined) return false;
    return this.calls.hasRoom && this.held === this.calls.held.messages;
  }

  private hold(messages: number, bytes: number): void {
    const { counters } = this;
    this.held += messages;
    this.heldBytes += bytes;
    counters.held += messages;
    counters.heldBytes += bytes;
  }

  /** Takes the oldest waiting deliveries, for a worker. */
  take(count: number): ReadonlyArray<Delivery> {
    if (this.pending.length > count) return this.pending.splice(0, count);
    const all = this.pending;
    this.pending = [];
    return all;
  }

  /** A session has ended. Its waiting deliveries are dropped, since the broker delivers them again. */
  forget(session: Session): void {
    this.closed.add(session);
    if (this.session === session) {
      this.session = undefined;
      this.paused = false;
    }
    const [gone, kept] = this.partition(this.pending);
    this.pending = kept;
    this.release(gone.concat(this.calls.remove((call) => this.closed.has(call.session))));
  }

  /**
   * Settles the messages of a batch that have an outcome. A call waits for its turn if there is room for it. Held messages return to
   * the front.
   */
  settle(
    batch: ReadonlyArray<Delivery>,
    result: BatchResult,
  ): { done: number; held: number; excess: ReadonlyArray<Excess> } {
    const { counters } = this;
    const done: Delivery[] = [];
    const held: Delivery[] = [];
    const calls: Delivery[] = [];
    let bytes = 0;
    let index = 0;
    for (const delivery of batch) {
      const code = result.codes[index] ?? HELD;
      const kind = outcomeKinds[code];
      index += 1;
      if (kind === undefined) {
        (code === CALL ? calls : held).push(delivery);
        continue;
      }
      counters.outcomes[kind] += 1;
      bytes += delivery.body.length;
      done.push(delivery);
    }
    this.hold(-done.length, -bytes);
    for (const { reason } of result.dead) counters.countDead(reason);
    this.settleOpen(done, 'done');
    const [oldest] = batch;
    if (done.length > 0 && oldest !== undefined) {
      counters.latency.record(Math.max(1, Math.round((performance.now() - oldest.meta.receivedAt) * 1000)));
    }
    if (held.length > 0) this.pending = this.keep(held).concat(this.pending);
    const excess = calls.length > 0 ? this.admit(this.keep(calls)) : [];
    return { done: done.length, held: held.length, excess: withAddresses(excess, batch, result) };
  }

  /** Settles a call that has an outcome. A call without one returns to the front. */
  settleCall(call: Delivery, { outcome, dead }: Pick<CallResult, 'outcome' | 'dead'>): void {
    if (outcome === undefined) {
      if (this.keep([call]).length > 0) this.calls.putBack(call);
      else this.calls.freeRoom(call);
      return;
    }
    this.calls.freeRoom(call);
    this.settleOne(call, { outcome, dead });
  }

  /** Gives a call that holds room of calls back to the broker. */
  dropCall(call: Delivery): void {
    this.calls.freeRoom(call);
    this.release([call]);
  }

  /** Settles a call that holds no room of calls. */
  settleOne(call: Delivery, { outcome, dead }: SettledCall): void {
    const code = outcomeKinds.indexOf(outcome);
    this.settle([call], { codes: Uint8Array.of(code), dead: dead === undefined ? [] : [dead] });
  }

  /** Gives all waiting deliveries back to the broker. */
  releaseWaiting(): void {
    const all = this.pending.concat(this.calls.remove(() => true));
    this.pending = [];
    this.release(all);
  }

  /** Gives deliveries back to the broker. */
  release(deliveries: ReadonlyArray<Delivery>): void {
    const bytes = deliveries.reduce((sum, { body }) => sum + body.length, 0);
    this.hold(-deliveries.length, -bytes);
    this.counters.released += deliveries.length;
    this.settleOpen(deliveries, 'release');
  }

  pause(): void {
    if (this.paused || this.session === undefined) return;
    this.paused = true;
    this.session.pause();
  }

  /**
   * Resumes a paused session below half of the share, so that pause and resume do not alternate. The half is taken of the share
   * without the calls' part, since calls may hold theirs for long.
   */
  resumeIfLow(): void {
    const { share } = this;
    const { held } = this.calls;
    const isLow = (all: number, calls: number, most: number) => all - calls <= (most - calls) / 2;
    if (!this.paused || !isLow(this.held, held.messages, share.messages)) return;
    if (!isLow(this.heldBytes, held.bytes, share.bytes)) return;
    this.paused = false;
    this.session?.resume();
  }

  /** Lets calls wait for their turn while there is room. Returns the others. */
  private admit(calls: ReadonlyArray<Delivery>): Delivery[] {
    const excess: Delivery[] = [];
    let expired = false;
    for (const call of calls) {
      if (!this.calls.hasRoom && !expired) {
        // Once a batch, since it looks at every waiting call.
        expired = true;
        for (const late of this.calls.takeExpired()) this.settleOne(late, { outcome: 'expired' });
      }
      if (this.calls.hasRoom) this.calls.add(call);
      else excess.push(call);
    }
    return excess;
  }

  /** The deliveries that can still be settled. Those of an ended session are released. */
  private keep(deliveries: ReadonlyArray<Delivery>): Delivery[] {
    const [gone, kept] = this.partition(deliveries);
    this.release(gone);
    return kept;
  }

  /** At most one session of an inlet is open: the next one is made only after the last one has closed. */
  private settleOpen(deliveries: ReadonlyArray<Delivery>, settlement: 'done' | 'release'): void {
    const session = deliveries[0]?.session;
    // Nearly always all deliveries belong to one open session. Then one look-up is enough.
    const same = session !== undefined && deliveries.every((delivery) => delivery.session === session);
    const open = same && !this.closed.has(session) ? deliveries : this.partition(deliveries)[1];
    open[0]?.session.settle(open, settlement);
  }

  /** Splits deliveries by whether their session has ended. */
  private partition(deliveries: ReadonlyArray<Delivery>): [gone: Delivery[], open: Delivery[]] {
    const gone: Delivery[] = [];
    const open: Delivery[] = [];
    for (const delivery of deliveries) (this.closed.has(delivery.session) ? gone : open).push(delivery);
    return [gone, open];
  }
}

import { Account } from './accounting.ts';
import type { Delivery, Session } from './contracts.ts';
import { type BatchResult, CALL, type CallResult, HELD, outcomeKinds } from './outcome.ts';

/** What one transport may have in memory: its share of `maxInFlight` and `maxInFlightBytes`. */
export interface Share {
  readonly messages: number;
  readonly bytes: number;
}

/**
 * What is held of one transport: deliveries that wait for a slot, and those that are in a worker. Bounds it, keeps account of
 * it, and settles it.
 */
export class Lane {
  readonly transport: string;
  readonly account = new Account();
  private readonly share: Share;
  private readonly closed = new WeakSet<Session>();
  /** Oldest first. */
  private pending: Delivery[] = [];
  /** Calls that a batch has brought to light and that wait to be run by themselves. Oldest first. */
  private calls: Delivery[] = [];
  /** The one that delivered last, to be paused and resumed. */
  private session: Session | undefined;
  private paused = false;

  constructor(transport: string, share: Share) {
    this.transport = transport;
    this.share = share;
  }

  /** The one to publish on what no delivery stands behind; undefined while nothing was delivered. */
  get openSession(): Session | undefined {
    return this.session;
  }

  /** How many deliveries wait for a slot. */
  get waiting(): number {
    return this.pending.length;
  }

  /** Takes a delivery, or refuses it: then its session delivers nothing more until it is resumed. */
  add(delivery: Delivery): boolean {
    const { account, share } = this;
    this.session = delivery.session;
    if (account.held >= share.messages || account.heldBytes >= share.bytes) {
      this.paused = true;
      return false;
    }
    this.pending.push(delivery);
    account.received += 1;
    account.held += 1;
    account.heldBytes += delivery.body.length;
    if (delivery.meta.redelivered) account.redelivered += 1;
    // The broker bounds messages by itself; bytes it does not know about.
    if (account.heldBytes >= share.bytes) this.pause();
    return true;
  }

  /** Takes the oldest deliveries that wait off the lane, into a worker. */
  take(count: number): ReadonlyArray<Delivery> {
    if (this.pending.length > count) return this.pending.splice(0, count);
    const all = this.pending;
    this.pending = [];
    return all;
  }

  get waitingCalls(): number {
    return this.calls.length;
  }

  /** Takes the oldest call that waits off the lane, into a worker. */
  takeCall(): Delivery | undefined {
    return this.calls.shift();
  }

  /** A session has ended: what waits of it is forgotten, since the broker delivers it again. */
  forget(session: Session): void {
    this.closed.add(session);
    if (this.session === session) {
      this.session = undefined;
      this.paused = false;
    }
    const [gone, kept] = this.partition(this.pending);
    const [goneCalls, keptCalls] = this.partition(this.calls);
    this.pending = kept;
    this.calls = keptCalls;
    this.release(gone.concat(goneCalls));
  }

  /** Settles those of a batch that have an outcome. Calls wait for their turn, the others go back to the front. */
  settle(batch: ReadonlyArray<Delivery>, result: BatchResult): { done: number; held: number } {
    const { account } = this;
    const done: Delivery[] = [];
    const held: Delivery[] = [];
    const calls: Delivery[] = [];
    let index = 0;
    for (const delivery of batch) {
      const code = result.codes[index] ?? HELD;
      const kind = outcomeKinds[code];
      index += 1;
      if (kind === undefined) {
        (code === CALL ? calls : held).push(delivery);
        continue;
      }
      account.outcomes[kind] += 1;
      account.held -= 1;
      account.heldBytes -= delivery.body.length;
      done.push(delivery);
    }
    for (const { reason } of result.dead) account.deadBy[reason] = (account.deadBy[reason] ?? 0) + 1;
    this.settleOpen(done, 'done');
    const [oldest] = batch;
    if (done.length > 0 && oldest !== undefined) {
      account.latency.record(Math.max(1, Math.round((performance.now() - oldest.meta.receivedAt) * 1000)));
    }
    if (held.length > 0) this.pending = this.keep(held).concat(this.pending);
    if (calls.length > 0) this.calls.push(...this.keep(calls));
    return { done: done.length, held: held.length };
  }

  /** Settles a call that has its outcome; one that has none goes back to the front. */
  settleCall(call: Delivery, { outcome, dead }: Pick<CallResult, 'outcome' | 'dead'>): void {
    if (outcome === undefined) {
      this.calls.unshift(...this.keep([call]));
      return;
    }
    const code = outcomeKinds.indexOf(outcome);
    this.settle([call], { codes: Uint8Array.of(code), dead: dead === undefined ? [] : [dead] });
  }

  /** Gives back to the broker whatever waits. */
  releaseWaiting(): void {
    const all = this.pending.concat(this.calls);
    this.pending = [];
    this.calls = [];
    this.release(all);
  }

  /** Gives deliveries back to the broker. */
  release(deliveries: ReadonlyArray<Delivery>): void {
    const { account } = this;
    for (const { body } of deliveries) account.heldBytes -= body.length;
    account.held -= deliveries.length;
    account.released += deliveries.length;
    this.settleOpen(deliveries, 'release');
  }

  pause(): void {
    if (this.paused || this.session === undefined) return;
    this.paused = true;
    this.session.pause();
  }

  /** Resumes a paused session below half of the share, so that pause and resume do not chase each other. */
  resumeIfLow(): void {
    const { account, share } = this;
    const low = account.held <= share.messages / 2 && account.heldBytes <= share.bytes / 2;
    if (!this.paused || !low) return;
    this.paused = false;
    this.session?.resume();
  }

  /** Those that can still be settled; what belongs to a session that has ended is given up. */
  private keep(deliveries: ReadonlyArray<Delivery>): Delivery[] {
    const [gone, kept] = this.partition(deliveries);
    this.release(gone);
    return kept;
  }

  /** At most one session of a lane is open: the supervisor connects again only after the last one has closed. */
  private settleOpen(deliveries: ReadonlyArray<Delivery>, settlement: 'done' | 'release'): void {
    const session = deliveries[0]?.session;
    // Nearly always all are of one session that is open, which is looked up once then.
    const same = session !== undefined && deliveries.every((delivery) => delivery.session === session);
    const open = same && !this.closed.has(session) ? deliveries : this.partition(deliveries)[1];
    open[0]?.session.settle(open, settlement);
  }

  /** Those whose session has ended, and the others. */
  private partition(deliveries: ReadonlyArray<Delivery>): [gone: Delivery[], open: Delivery[]] {
    const gone: Delivery[] = [];
    const open: Delivery[] = [];
    for (const delivery of deliveries) (this.closed.has(delivery.session) ? gone : open).push(delivery);
    return [gone, open];
  }
}

import { Account } from './accounting.ts';
import type { Delivery, Session } from './contracts.ts';
import { type BatchResult, HELD, outcomeKinds } from './outcome.ts';

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
  /** The one that delivered last, to be paused and resumed. */
  private session: Session | undefined;
  private paused = false;

  constructor(transport: string, share: Share) {
    this.transport = transport;
    this.share = share;
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

  /** A session has ended: what waits of it is forgotten, since the broker delivers it again. */
  forget(session: Session): void {
    this.closed.add(session);
    if (this.session === session) {
      this.session = undefined;
      this.paused = false;
    }
    const [gone, kept] = this.partition(this.pending);
    this.pending = kept;
    this.release(gone);
  }

  /** Settles those of a batch that have an outcome. The others go back to the front; returns how many. */
  settle(batch: ReadonlyArray<Delivery>, result: BatchResult): number {
    const { account } = this;
    const done: Delivery[] = [];
    const held: Delivery[] = [];
    let index = 0;
    for (const delivery of batch) {
      const kind = outcomeKinds[result.codes[index] ?? HELD];
      index += 1;
      if (kind === undefined) {
        held.push(delivery);
        continue;
      }
      account.outcomes[kind] += 1;
      account.held -= 1;
      account.heldBytes -= delivery.body.length;
      done.push(delivery);
    }
    for (const reason of result.dead) account.deadBy[reason] = (account.deadBy[reason] ?? 0) + 1;
    this.settleOpen(done, 'done');
    const [oldest] = batch;
    if (done.length > 0 && oldest !== undefined) {
      account.latency.record(Math.max(1, Math.round((performance.now() - oldest.meta.receivedAt) * 1000)));
    }
    if (held.length > 0) {
      const [gone, kept] = this.partition(held);
      this.pending = kept.concat(this.pending);
      this.release(gone);
    }
    return held.length;
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

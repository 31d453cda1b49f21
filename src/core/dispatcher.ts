import { Account } from './accounting.ts';
import { type BackoffOptions, fullJitter } from './backoff.ts';
import type { Deliver, Delivery, Session } from './contracts.ts';
import { messageOf } from './errors.ts';
import type { Logger } from './logger.ts';
import { type BatchResult, HELD, outcomeKinds } from './outcome.ts';

export interface DispatcherOptions {
  /** Runs one batch in a worker. Should not reject; if it does, the whole batch is held. */
  readonly run: (transport: string, batch: ReadonlyArray<Delivery>) => Promise<BatchResult>;
  /** How many batches run at once. */
  readonly slots: number;
  /** Messages in one batch at most. */
  readonly maxBatch: number;
  /** Between tries while messages are held because the database is gone. */
  readonly backoff: BackoffOptions;
  readonly logger: Logger;
}

/** Milliseconds that messages gather at most while a slot is free. */
const patience = 10;

/** What one transport may have in memory: its share of `maxInFlight` and `maxInFlightBytes`. */
export interface Share {
  readonly messages: number;
  readonly bytes: number;
}

/** One transport's way into the dispatcher. */
export interface Lane {
  readonly deliver: Deliver;
  /** Has to be called when a session ends: what waits of it is forgotten here, since the broker delivers it again. */
  readonly forget: (session: Session) => void;
  readonly account: Account;
}

/**
 * Stands between the sessions and the workers: bounds what is held, forms batches, settles what has its outcome.
 *
 * Batching is natural. While nothing runs, whatever has arrived goes at once; while something runs, arrivals gather until
 * it is done or a batch is full, which then gets a slot of its own. So a lone message waits for nothing, and a stream gets
 * batches as large as the workers are slow: several small ones at once would keep a machine busy with their overhead
 * (measured: 26 against 36 µs of CPU a message). A batch that is stuck, behind a locked row say, holds up the next one for
 * `patience` at most. Lanes take turns, so that a flood on one transport does not starve another.
 *
 * ```
 *            a result with held messages                    the pause is over
 *  flowing ──────────────────────────────► holding ───────────────────────────► probing
 *     ▲                                       ▲  sessions paused, no batch runs     │ one batch runs
 *     │                                       └─────────────────────────────────────┤ held again
 *     └─────────────────────────────────────────────────────────────────────────────┘ committed, or nothing to probe with
 * ```
 */
export class Dispatcher {
  private readonly options: DispatcherOptions;
  private readonly lanes: LaneState[] = [];
  private readonly closed = new WeakSet<Session>();
  private readonly running = new Set<Batch>();
  private state: 'flowing' | 'holding' | 'probing' = 'flowing';
  private failures = 0;
  private retry: NodeJS.Timeout | undefined;
  private scheduled: NodeJS.Immediate | undefined;
  private gathering: NodeJS.Timeout | undefined;
  private turn = 0;
  private stopped = false;
  private readonly idleWaiters = new Set<() => void>();

  constructor(options: DispatcherOptions) {
    this.options = options;
  }

  /** Opens a way in for one transport. */
  lane(transport: string, share: Share): Lane {
    const lane: LaneState = {
      transport,
      share,
      account: new Account(),
      pending: [],
      session: undefined,
      paused: false,
    };
    this.lanes.push(lane);
    return {
      deliver: (delivery) => this.take(lane, delivery),
      forget: (session) => this.forget(lane, session),
      account: lane.account,
    };
  }

  /** Why messages are held at the moment, for health and the log; undefined while they flow. */
  heldBecause: string | undefined;

  /** Resolves once nothing is held, or when the deadline has passed. */
  async idle(deadline: AbortSignal): Promise<void> {
    if (deadline.aborted || this.lanes.every(({ account }) => account.held === 0)) return;
    await new Promise<void>((resolve) => {
      const done = () => {
        this.idleWaiters.delete(done);
        deadline.removeEventListener('abort', done);
        resolve();
      };
      this.idleWaiters.add(done);
      deadline.addEventListener('abort', done);
    });
  }

  /** Gives back to the brokers whatever is still held. Results that come in later are ignored: they will be redelivered. */
  stop(): void {
    this.stopped = true;
    clearTimeout(this.retry);
    clearImmediate(this.scheduled);
    clearTimeout(this.gathering);
    for (const lane of this.lanes) {
      this.release(lane, lane.pending);
      lane.pending = [];
    }
    for (const { lane, deliveries } of this.running) this.release(lane, deliveries);
    this.running.clear();
  }

  private take(lane: LaneState, delivery: Delivery): boolean {
    const { account, share } = lane;
    const full = account.held >= share.messages || account.heldBytes >= share.bytes;
    if (full || this.stopped) {
      lane.paused = true;
      lane.session = delivery.session;
      return false;
    }
    lane.session = delivery.session;
    lane.pending.push(delivery);
    account.received += 1;
    account.held += 1;
    account.heldBytes += delivery.body.length;
    if (delivery.meta.redelivered) account.redelivered += 1;
    // The broker bounds messages by itself; bytes it does not know about.
    if (account.heldBytes >= share.bytes || this.state !== 'flowing') this.pauseLane(lane);
    this.schedule();
    return true;
  }

  private forget(lane: LaneState, session: Session): void {
    this.closed.add(session);
    if (lane.session === session) {
      lane.session = undefined;
      lane.paused = false;
    }
    const gone = lane.pending.filter((delivery) => delivery.session === session);
    lane.pending = lane.pending.filter((delivery) => delivery.session !== session);
    this.release(lane, gone);
  }

  /** At the end of this round of the event loop, so that all that one read from a socket brought goes together. */
  private schedule(): void {
    if (this.stopped) return;
    this.scheduled ??= setImmediate(() => {
      this.scheduled = undefined;
      this.dispatch(this.running.size === 0 ? 1 : this.options.maxBatch);
    });
  }

  /** @param least how many messages have to wait in a lane for a batch to be worth it. */
  private dispatch(least: number): void {
    const slots = { flowing: this.options.slots, holding: 0, probing: 1 }[this.state];
    for (let needed = least; this.running.size < slots; needed = this.options.maxBatch) {
      const batch = this.nextBatch(needed);
      if (batch === undefined) break;
      this.running.add(batch);
      void this.runBatch(batch);
    }
    if (this.lanes.some(({ pending }) => pending.length > 0)) {
      this.gathering ??= setTimeout(() => {
        this.gathering = undefined;
        this.dispatch(1);
      }, patience);
    }
    // Nothing is left to probe with when a session ended while its messages were held: let new ones in.
    if (this.state === 'probing' && this.running.size === 0) this.flow();
  }

  private nextBatch(least: number): Batch | undefined {
    for (let tried = 0; tried < this.lanes.length; tried += 1) {
      this.turn = (this.turn + 1) % this.lanes.length;
      const lane = this.lanes[this.turn];
      if (lane === undefined || lane.pending.length < least) continue;
      const { maxBatch } = this.options;
      if (lane.pending.length > maxBatch) return { lane, deliveries: lane.pending.splice(0, maxBatch) };
      const deliveries = lane.pending;
      lane.pending = [];
      return { lane, deliveries };
    }
    return undefined;
  }

  private async runBatch(batch: Batch): Promise<void> {
    let result: BatchResult;
    try {
      result = await this.options.run(batch.lane.transport, batch.deliveries);
    } catch (error) {
      const codes = new Uint8Array(batch.deliveries.length).fill(HELD);
      result = { codes, dead: [], heldBecause: `a worker failed: ${messageOf(error)}` };
    }
    // Stopped meanwhile: released already.
    if (!this.running.delete(batch)) return;
    this.settle(batch, result);
    if (result.heldBecause === undefined) this.flow();
    else this.hold(result.heldBecause);
    this.dispatch(1);
  }

  private settle({ lane, deliveries }: Batch, result: BatchResult): void {
    const { account } = lane;
    const done: Delivery[] = [];
    const held: Delivery[] = [];
    for (const [index, delivery] of deliveries.entries()) {
      const code = result.codes[index] ?? HELD;
      const kind = outcomeKinds[code];
      if (kind === undefined) {
        held.push(delivery);
        continue;
      }
      account.outcomes[kind] += 1;
      account.held -= 1;
      account.heldBytes -= delivery.body.length;
      if (!this.closed.has(delivery.session)) done.push(delivery);
    }
    for (const reason of result.dead) account.deadBy[reason] = (account.deadBy[reason] ?? 0) + 1;
    // At most one session of a lane is open: the supervisor connects again only after the last one has closed.
    done[0]?.session.settle(done, 'done');
    const oldest = deliveries[0];
    if (done.length > 0 && oldest !== undefined) {
      account.latency.record(Math.max(1, Math.round((performance.now() - oldest.meta.receivedAt) * 1000)));
    }
    if (held.length > 0) {
      lane.pending = held.filter(({ session }) => !this.closed.has(session)).concat(lane.pending);
      this.release(
        lane,
        held.filter(({ session }) => this.closed.has(session)),
      );
    }
    this.resumeLane(lane);
    this.tellIdle();
  }

  private release(lane: LaneState, deliveries: ReadonlyArray<Delivery>): void {
    const { account } = lane;
    for (const { body } of deliveries) account.heldBytes -= body.length;
    account.held -= deliveries.length;
    account.released += deliveries.length;
    const open = deliveries.filter(({ session }) => !this.closed.has(session));
    open[0]?.session.settle(open, 'release');
    this.tellIdle();
  }

  private hold(because: string): void {
    // Batches that were running when the first one was held say nothing new.
    if (this.state === 'holding') return;
    const { backoff, logger } = this.options;
    const delay = fullJitter(this.failures, backoff);
    this.failures += 1;
    this.state = 'holding';
    this.heldBecause = because;
    logger.error(
      { because, failures: this.failures, retryInMs: Math.round(delay) },
      'messages are held, nothing is lost',
    );
    for (const lane of this.lanes) this.pauseLane(lane);
    this.retry = setTimeout(() => {
      this.state = 'probing';
      this.dispatch(1);
    }, delay);
  }

  private flow(): void {
    if (this.state !== 'probing') return;
    this.state = 'flowing';
    this.heldBecause = undefined;
    this.options.logger.info({ failures: this.failures }, 'messages flow again');
    this.failures = 0;
    for (const lane of this.lanes) this.resumeLane(lane);
  }

  private pauseLane(lane: LaneState): void {
    if (lane.paused || lane.session === undefined) return;
    lane.paused = true;
    lane.session.pause();
  }

  /** Below half of its share, so that pause and resume do not chase each other. */
  private resumeLane(lane: LaneState): void {
    const { account, share } = lane;
    const low = account.held <= share.messages / 2 && account.heldBytes <= share.bytes / 2;
    if (!lane.paused || !low || this.state !== 'flowing') return;
    lane.paused = false;
    lane.session?.resume();
  }

  private tellIdle(): void {
    if (this.idleWaiters.size === 0 || this.lanes.some(({ account }) => account.held > 0)) return;
    for (const done of [...this.idleWaiters]) done();
  }
}

interface LaneState {
  readonly transport: string;
  readonly share: Share;
  readonly account: Account;
  /** Waiting for a slot, oldest first. */
  pending: Delivery[];
  /** The session that delivered last, to be paused and resumed. */
  session: Session | undefined;
  paused: boolean;
}

interface Batch {
  readonly lane: LaneState;
  readonly deliveries: ReadonlyArray<Delivery>;
}

import { messageOf } from '../errors.ts';
import { type BatchResult, type DeadNotice, HELD, type Notification } from '../message/outcome.ts';
import type { Deliver, Delivery, Session, Share } from '../transport/contract.ts';
import type { Counters } from './counters.ts';
import { Gate, type GateOptions } from './gate.ts';
import { type Excess, InFlight } from './in-flight.ts';
import { Replies, type RepliesOptions } from './replies.ts';

export interface DispatcherOptions extends RepliesOptions, GateOptions {
  /** Runs one batch in a worker. Should not reject; if it does, the whole batch is held. */
  readonly run: (transport: string, batch: ReadonlyArray<Delivery>) => Promise<BatchResult>;
  /** How many batches run at once. */
  readonly slots: number;
  /** How many calls run at once, beside the batches. */
  readonly callSlots: number;
  /** Messages in one batch at most. */
  readonly maxBatch: number;
  /** Told of each dead letter. */
  readonly onDead: (notice: DeadNotice) => void;
}

/** Milliseconds that messages gather at most while a slot is free. */
const patience = 10;

/** One transport's way into the dispatcher. */
export interface Inlet {
  readonly deliver: Deliver;
  /** Has to be called when a session ends: what waits of it is forgotten here, since the broker delivers it again. */
  readonly forget: (session: Session) => void;
  readonly counters: Counters;
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
 * Calls come to light in a batch, where they are left out; each runs by itself once that batch has settled, in slots of their
 * own, so that a slow one holds up no cast. Its answer is published before it is settled. Of what a transport may hold, calls get a
 * part; those beyond it are told so at once and not run, so that casts always have the rest.
 */
export class Dispatcher {
  private readonly options: DispatcherOptions;
  private readonly perTransport: InFlight[] = [];
  private readonly running = new Set<Batch>();
  private readonly replies: Replies;
  private readonly calling = new Set<RunningCall>();
  /** Calls that there was no room for, while their callers are told. */
  private readonly refusing = new Set<RunningCall>();
  private readonly gate: Gate;
  private scheduled: NodeJS.Immediate | undefined;
  private gathering: NodeJS.Timeout | undefined;
  private turn = 0;
  private stopped = false;
  private readonly idleWaiters = new Set<() => void>();

  constructor(options: DispatcherOptions) {
    this.options = options;
    this.replies = new Replies(options);
    this.gate = new Gate(options, {
      onHold: () => {
        for (const inFlight of this.perTransport) inFlight.pause();
      },
      onProbe: () => this.dispatch(1),
      onFlow: () => {
        for (const inFlight of this.perTransport) inFlight.resumeIfLow();
      },
    });
  }

  /** Opens a way in for one transport. */
  inlet(transport: string, share: Share): Inlet {
    const inFlight = new InFlight(transport, share, this.options.callSlots);
    this.perTransport.push(inFlight);
    return {
      deliver: (delivery) => this.take(inFlight, delivery),
      forget: (session) => {
        inFlight.forget(session);
        this.tellIdle();
      },
      counters: inFlight.counters,
    };
  }

  /** Why messages are held at the moment, for health and the log; undefined while they flow. */
  get heldBecause(): string | undefined {
    return this.gate.heldBecause;
  }

  /**
   * Publishes what a deferred message has led to: its own session may be long gone. Never rejects.
   *
   * @returns whether the broker has it.
   */
  async announce(transport: string, notification: Notification): Promise<boolean> {
    const session = this.perTransport.find((inFlight) => inFlight.transport === transport)?.openSession;
    if (session !== undefined) return this.replies.notify(transport, { session }, [notification]);
    this.options.logger.warn({ transport, topic: notification.topic }, 'could not publish');
    return false;
  }

  /** Resolves once nothing is held, or when the deadline has passed. */
  async idle(deadline: AbortSignal): Promise<void> {
    if (deadline.aborted || this.perTransport.every(({ counters }) => counters.held === 0)) return;
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
    this.gate.stop();
    clearImmediate(this.scheduled);
    clearTimeout(this.gathering);
    for (const inFlight of this.perTransport) inFlight.releaseWaiting();
    for (const { inFlight, deliveries } of this.running) inFlight.release(deliveries);
    for (const calls of [this.calling, this.refusing])
      for (const { inFlight, delivery } of calls) inFlight.release([delivery]);
    this.running.clear();
    this.calling.clear();
    this.refusing.clear();
    this.tellIdle();
  }

  private take(inFlight: InFlight, delivery: Delivery): boolean {
    if (this.stopped || !inFlight.add(delivery)) return false;
    if (this.gate.state !== 'flowing') inFlight.pause();
    this.schedule();
    return true;
  }

  /** At the end of this round of the event loop, so that all that one read from a socket brought goes together. */
  private schedule(): void {
    if (this.stopped) return;
    this.scheduled ??= setImmediate(() => {
      this.scheduled = undefined;
      this.dispatch(this.worthwhile);
    });
  }

  /** How many messages make a batch while nothing runs, or beside others. */
  private get worthwhile(): number {
    return this.running.size === 0 ? 1 : this.options.maxBatch;
  }

  /** @param least how many messages have to wait in a lane for a batch to be worth it. */
  private dispatch(least: number): void {
    const slots = { flowing: this.options.slots, holding: 0, probing: 1 }[this.gate.state];
    for (let needed = least; this.running.size < slots; needed = this.options.maxBatch) {
      const batch = this.nextBatch(needed);
      if (batch === undefined) break;
      this.running.add(batch);
      void this.runBatch(batch);
    }
    const gathers = this.gate.state === 'flowing' && this.running.size < slots;
    if (gathers && this.perTransport.some(({ waiting }) => waiting > 0)) {
      this.gathering ??= setTimeout(() => {
        this.gathering = undefined;
        this.dispatch(1);
      }, patience);
    }
    this.startCalls();
    // Nothing is left to probe with when a session ended while its messages were held: let new ones in.
    if (this.gate.state === 'probing' && this.running.size + this.calling.size === 0) this.gate.flow();
  }

  private startCalls(): void {
    // A call can be the probe as well, where there is no batch.
    const probes = this.running.size === 0 ? 1 : 0;
    const slots = { flowing: this.options.callSlots, holding: 0, probing: probes }[this.gate.state];
    while (this.calling.size < slots) {
      const inFlight = this.nextDue(({ waitingCalls }) => waitingCalls > 0);
      const delivery = inFlight?.takeCall();
      if (inFlight === undefined || delivery === undefined) return;
      const call = { inFlight, delivery };
      this.calling.add(call);
      void this.runCall(call);
    }
  }

  private nextBatch(least: number): Batch | undefined {
    const inFlight = this.nextDue(({ waiting }) => waiting >= least);
    return inFlight && { inFlight, deliveries: inFlight.take(this.options.maxBatch) };
  }

  /** Lanes take turns. */
  private nextDue(isDue: (inFlight: InFlight) => boolean): InFlight | undefined {
    for (let tried = 0; tried < this.perTransport.length; tried += 1) {
      this.turn = (this.turn + 1) % this.perTransport.length;
      const inFlight = this.perTransport[this.turn];
      if (inFlight !== undefined && isDue(inFlight)) return inFlight;
    }
    return undefined;
  }

  private async runBatch(batch: Batch): Promise<void> {
    let result: BatchResult;
    try {
      result = await this.options.run(batch.inFlight.transport, batch.deliveries);
    } catch (error) {
      const codes = new Uint8Array(batch.deliveries.length).fill(HELD);
      result = { codes, dead: [], heldBecause: `a worker failed: ${messageOf(error)}` };
    }
    await Promise.all(
      (result.notifications ?? []).map(async ([index, notification]) => {
        const delivery = batch.deliveries[index];
        if (delivery !== undefined)
          await this.replies.notify(batch.inFlight.transport, delivery, [notification]);
      }),
    );
    // Stopped meanwhile: released already.
    if (!this.running.delete(batch)) return;
    for (const notice of result.dead) this.options.onDead(notice);
    const { done, held, excess } = batch.inFlight.settle(batch.deliveries, result);
    for (const one of excess) void this.refuse(batch.inFlight, one);
    this.ended(
      batch.inFlight,
      done > 0,
      held > 0 ? (result.heldBecause ?? 'a worker left messages without an outcome') : undefined,
    );
    this.dispatch(1);
  }

  private async runCall(call: RunningCall): Promise<void> {
    const { inFlight, delivery } = call;
    const result = await this.replies.run(inFlight.transport, delivery);
    if (!this.calling.delete(call)) return;
    if (result.dead !== undefined) this.options.onDead(result.dead);
    inFlight.settleCall(delivery, result);
    this.ended(
      inFlight,
      // What is refused or too late may never have come to the database.
      result.outcome === 'answered',
      result.outcome === undefined
        ? (result.heldBecause ?? 'a worker left a call without an outcome')
        : undefined,
    );
    this.dispatch(this.worthwhile);
  }

  private async refuse(inFlight: InFlight, { delivery, address }: Excess): Promise<void> {
    const call = { inFlight, delivery };
    this.refusing.add(call);
    await this.replies.refuse(inFlight.transport, delivery, address);
    if (!this.refusing.delete(call)) return;
    inFlight.settleOne(delivery, { outcome: 'refused' });
    if (this.gate.state === 'flowing') inFlight.resumeIfLow();
    this.tellIdle();
  }

  /** A batch or a call has come back from its worker. */
  private ended(inFlight: InFlight, hasCommitted: boolean, heldBecause: string | undefined): void {
    if (this.gate.state === 'flowing') inFlight.resumeIfLow();
    this.tellIdle();
    if (heldBecause !== undefined) this.gate.hold(heldBecause);
    else if (hasCommitted) this.gate.flow();
  }

  private tellIdle(): void {
    if (this.idleWaiters.size === 0 || this.perTransport.some(({ counters }) => counters.held > 0)) return;
    for (const done of [...this.idleWaiters]) done();
  }
}

interface Batch {
  readonly inFlight: InFlight;
  readonly deliveries: ReadonlyArray<Delivery>;
}

interface RunningCall {
  readonly inFlight: InFlight;
  readonly delivery: Delivery;
}

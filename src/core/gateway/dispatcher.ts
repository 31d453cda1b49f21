import { messageOf } from '../errors.ts';
import { type BatchResult, type DeadNotice, HELD } from '../message/outcome.ts';
import type { Deliver, Delivery, Session, Share } from '../transport/contract.ts';
import { planBatches, worthwhile } from './batching.ts';
import { Calls, type Hold } from './calls.ts';
import type { Counters } from './counters.ts';
import { Gate, type GateOptions } from './gate.ts';
import { Gathering } from './gathering.ts';
import { InFlight } from './in-flight.ts';
import { LoadMeter } from './load-meter.ts';
import { recordBatch } from './record-batch.ts';
import { Replies, type RepliesOptions } from './replies.ts';
import type { StatusWaitsOptions } from './status-waits.ts';
import { type Batch, oldestUnsettled } from './unsettled.ts';

export interface DispatcherOptions extends RepliesOptions, GateOptions {
  /** Runs one batch in a worker. It should not reject; if it rejects, the whole batch is held. */
  readonly run: (transport: string, batch: ReadonlyArray<Delivery>) => Promise<BatchResult>;
  /** How many batches run at once. */
  readonly slots: number;
  /** How many calls run at once, beside the batches. */
  readonly callSlots: number;
  /** How calls wait for a status. */
  readonly waits: StatusWaitsOptions;
  /** Messages in one batch at most. */
  readonly maxBatch: number;
  /** Milliseconds for which messages gather after a batch, at most. */
  readonly gathering: number;
  /** Called for each dead letter. */
  readonly onDead: (notice: DeadNotice) => void;
}

/** One transport's way into the dispatcher. */
export interface Inlet {
  readonly deliver: Deliver;
  /** Must be called when a session ends. The session's waiting deliveries are dropped here, since the broker delivers them again. */
  readonly forget: (session: Session) => void;
  readonly counters: Counters;
  /** How many of its messages are in memory. The counters may be shared. */
  readonly held: number;
}

/**
 * Stands between the sessions and the workers. It bounds what is in flight, forms batches, and settles messages that have an outcome.
 *
 * batching.ts decides which batches start, gate.ts whether messages flow, calls.ts runs calls. A batch that is stuck, for example
 * behind a locked row, delays the next batch by 10 ms at most (gathering.ts).
 */
export class Dispatcher {
  private readonly options: DispatcherOptions;
  private readonly perTransport: InFlight[] = [];
  private readonly running = new Set<Batch>();
  private readonly calls: Calls;
  /** The messages in workers, for the utilisation. */
  readonly load = new LoadMeter();
  readonly gate: Gate;
  private scheduled: NodeJS.Immediate | undefined;
  private readonly gathering: Gathering;
  private turn = 0;
  private stopped = false;
  private readonly idleWaiters = new Set<() => void>();

  constructor(options: DispatcherOptions) {
    this.options = options;
    this.gathering = new Gathering(options.gathering, () => this.dispatch(1));
    this.calls = new Calls(new Replies(options), options.waits, {
      onDead: options.onDead,
      onEnd: (inFlight, hasCommitted, hold) => {
        this.ended(inFlight, hasCommitted, hold);
        this.dispatch(this.worthwhile);
      },
      onRefused: (inFlight) => this.freed(inFlight),
      onResume: () => this.schedule(),
    });
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

  /**
   * Makes an inlet of a transport. An inlet has one open session at a time.
   *
   * @param counters of the transport's first inlet, for a second one.
   */
  inlet(
    transport: string,
    share: Share,
    { counters, callsAreKnown = false }: { counters?: Counters; callsAreKnown?: boolean } = {},
  ): Inlet {
    const { callSlots } = this.options;
    const inFlight = new InFlight(transport, share, { callSlots, callsAreKnown, counters });
    this.perTransport.push(inFlight);
    return {
      deliver: (delivery) => this.take(inFlight, delivery),
      forget: (session) => {
        inFlight.forget(session);
        this.calls.forget(session);
        this.tellIdle();
      },
      counters: inFlight.counters,
      get held() {
        return inFlight.held;
      },
    };
  }

  /** Why messages are held now, for health and the log; undefined while they flow. */
  get heldBecause(): string | undefined {
    return this.gate.heldBecause;
  }

  /** The calls in workers, for the utilisation. */
  get callLoad(): LoadMeter {
    return this.calls.load;
  }

  /** Milliseconds for which the oldest message waits for its outcome. */
  get oldestUnsettled(): number {
    return oldestUnsettled(this.perTransport, this.running);
  }

  /** Resolves when nothing is in flight or the deadline has passed. Calls that wait for a status are given back at once. */
  async idle(deadline: AbortSignal): Promise<void> {
    this.calls.endWaits();
    if (deadline.aborted || this.isIdle) return;
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

  /** Gives all that is in flight back to the brokers. Later results are ignored, since the brokers deliver these messages again. */
  stop(): void {
    this.stopped = true;
    this.gate.stop();
    clearImmediate(this.scheduled);
    this.gathering.stop();
    for (const inFlight of this.perTransport) inFlight.releaseWaiting();
    for (const { inFlight, deliveries } of this.running) inFlight.release(deliveries);
    this.running.clear();
    this.calls.stop();
    this.tellIdle();
  }

  private take(inFlight: InFlight, delivery: Delivery): boolean {
    if (this.stopped || !inFlight.add(delivery)) return false;
    if (this.gate.state !== 'flowing') inFlight.pause();
    this.schedule();
    return true;
  }

  /** Dispatches at the end of this turn of the event loop, so that all messages of one socket read share a batch. */
  private schedule(): void {
    if (this.stopped) return;
    this.scheduled ??= setImmediate(() => {
      this.scheduled = undefined;
      this.dispatch(this.worthwhile);
    });
  }

  private get worthwhile(): number {
    if (this.gathers) return this.options.maxBatch;
    return worthwhile(this.running.size, this.options);
  }

  /** Whether messages gather after a batch. There is nothing to wait for if no further ones can come. */
  private get gathers(): boolean {
    return this.gathering.onlyFull && !this.perTransport.some(({ isFull, waiting }) => isFull && waiting > 0);
  }

  /** @param least how many messages of one transport must wait for a batch to start. */
  private dispatch(least: number): void {
    const { maxBatch, callSlots } = this.options;
    const { state } = this.gate;
    const slots = { flowing: this.options.slots, holding: 0, probing: 1 }[state];
    const waiting = this.perTransport.map((inFlight) => inFlight.waiting);
    const load = { running: this.running.size, waiting, turn: this.turn };
    const { starts, turn, gathers } = planBatches({ slots, maxBatch }, load, least);
    this.turn = turn;
    for (const start of starts) {
      const inFlight = this.perTransport[start];
      if (inFlight !== undefined) void this.runBatch({ inFlight, deliveries: inFlight.take(maxBatch) });
    }
    if (gathers && state === 'flowing') this.gathering.begin();
    // Without a batch, a call serves as the probe.
    const probes = this.running.size === 0 ? 1 : 0;
    this.calls.start({ flowing: callSlots, holding: 0, probing: probes }[state], this.perTransport);
    // A session may have ended while its messages were held. Then nothing is left to probe with, so new messages are let in.
    if (state === 'probing' && this.running.size + this.calls.running === 0) this.gate.flow();
  }

  private async runBatch(batch: Batch): Promise<void> {
    const { inFlight, deliveries } = batch;
    this.running.add(batch);
    this.load.add(deliveries.length);
    const startedAt = performance.now();
    let result: BatchResult;
    try {
      result = await this.options.run(inFlight.transport, deliveries);
    } catch (error) {
      const codes = new Uint8Array(deliveries.length).fill(HELD);
      result = { codes, dead: [], heldBecause: `a worker failed: ${messageOf(error)}` };
    }
    this.load.add(-deliveries.length);
    // Stopped meanwhile: the messages have been released.
    if (!this.running.delete(batch)) return;
    for (const notice of result.dead) this.options.onDead(notice);
    const { done, held, excess } = inFlight.settle(deliveries, result);
    recordBatch(inFlight.counters, deliveries, result, startedAt);
    for (const one of excess) void this.calls.refuse(inFlight, one);
    const { heldBecause: because = 'a worker left messages without an outcome', heldCause: cause } = result;
    this.ended(inFlight, done > 0, held > 0 ? { because, cause } : undefined);
    if (this.gate.state === 'flowing') this.gathering.after(performance.now() - startedAt);
    this.dispatch(this.gathers ? this.options.maxBatch : 1);
  }

  /** A batch or a call has come back from its worker. */
  private ended(inFlight: InFlight, hasCommitted: boolean, hold: Hold | undefined): void {
    this.freed(inFlight);
    if (hold !== undefined) this.gate.hold(hold.because, hold.cause);
    else if (hasCommitted) this.gate.flow();
  }

  /** There may be room again. */
  private freed(inFlight: InFlight): void {
    if (this.gate.state === 'flowing') inFlight.resumeIfLow();
    this.tellIdle();
  }

  private get isIdle(): boolean {
    return this.perTransport.every(({ counters }) => counters.held === 0);
  }

  private tellIdle(): void {
    if (this.idleWaiters.size === 0 || !this.isIdle) return;
    for (const done of [...this.idleWaiters]) done();
  }
}

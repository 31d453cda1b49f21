import { setImmediate } from 'node:timers/promises';
import { pino } from 'pino';
import type { DeadReason } from '../../../src/core/errors.ts';
import { Dispatcher, type DispatcherOptions, type Inlet } from '../../../src/core/gateway/dispatcher.ts';
import {
  type BatchResult,
  CALL,
  type CallResult,
  type CallRun,
  type DeadNotice,
  HELD,
  type OutcomeKind,
  outcomeKinds,
} from '../../../src/core/message/outcome.ts';
import type { Delivery, Share } from '../../../src/core/transport/contract.ts';
import { type MemorySession, MemoryTransport } from '../../../src/transports/memory/index.ts';

export const silent = pino({ level: 'silent' });

/** Lets the event loop go round: what was ready to happen has happened. Timers do not come into it. */
export async function tick(): Promise<void> {
  await setImmediate();
  await setImmediate();
}

export const body = (text: string) => Buffer.from(text);
export const textOf = (bytes: Uint8Array) => Buffer.from(bytes).toString();

/** What a worker says of dead letters with these reasons. */
export const letters = (...reasons: DeadReason[]): DeadNotice[] =>
  reasons.map((reason) => ({ transport: 'broker-0', reason }));

/** One batch in the hands of the workers, until the test says what became of it. */
export class Batch {
  readonly transport: string;
  readonly deliveries: ReadonlyArray<Delivery>;
  private readonly resolve: (result: BatchResult) => void;
  private readonly reject: (error: Error) => void;
  over = false;

  constructor(
    transport: string,
    deliveries: ReadonlyArray<Delivery>,
    resolve: (result: BatchResult) => void,
    reject: (error: Error) => void,
  ) {
    this.transport = transport;
    this.deliveries = deliveries;
    this.resolve = resolve;
    this.reject = reject;
  }

  get texts(): string[] {
    return this.deliveries.map((delivery) => textOf(delivery.body));
  }

  /** Every message has the same outcome. */
  finish(kind: OutcomeKind = 'applied'): Promise<void> {
    return this.report({ codes: this.codes(() => outcomeKinds.indexOf(kind)), dead: [] });
  }

  /** The database is gone; `done` says which messages were applied before. */
  hold(heldBecause: string, done: (index: number) => boolean = () => false): Promise<void> {
    return this.report({ codes: this.codes((index) => (done(index) ? 0 : HELD)), dead: [], heldBecause });
  }

  /** Those whose texts begin with `call` are calls, the others are applied. */
  tellCalls(): Promise<void> {
    const codes = this.codes((index) => (this.texts[index]?.startsWith('call') ? CALL : 0));
    return this.report({ codes, dead: [] });
  }

  report(result: BatchResult): Promise<void> {
    this.over = true;
    this.resolve(result);
    return tick();
  }

  fail(error: Error): Promise<void> {
    this.over = true;
    this.reject(error);
    return tick();
  }

  private codes(codeOf: (index: number) => number): Uint8Array {
    return Uint8Array.from(this.deliveries, (_, index) => codeOf(index));
  }
}

/** A call that runs until the test ends it. */
export class Call {
  readonly transport: string;
  readonly delivery: Delivery;
  readonly timeout: number;
  readonly losses: number;
  readonly resumption: CallRun['resumption'];
  private readonly resolve: (result: CallResult) => void;
  over = false;

  constructor(
    transport: string,
    delivery: Delivery,
    { timeout, losses, resumption }: CallRun,
    resolve: (result: CallResult) => void,
  ) {
    this.transport = transport;
    this.delivery = delivery;
    this.timeout = timeout;
    this.losses = losses;
    this.resumption = resumption;
    this.resolve = resolve;
  }

  get text(): string {
    return textOf(this.delivery.body);
  }

  report(result: CallResult): Promise<void> {
    this.over = true;
    this.resolve(result);
    return tick();
  }

  answer(answer: string): Promise<void> {
    return this.report({ outcome: 'answered', reply: { body: body(answer) } });
  }
}

/** Workers that do nothing by themselves. */
export class Workers {
  /** Every batch there was, oldest first. */
  readonly batches: Batch[] = [];
  /** Every call there was, oldest first. */
  readonly calls: Call[] = [];

  readonly call: DispatcherOptions['call'] = (transport, delivery, run) =>
    new Promise((resolve) => this.calls.push(new Call(transport, delivery, run, resolve)));

  readonly run = (transport: string, deliveries: ReadonlyArray<Delivery>): Promise<BatchResult> =>
    new Promise((resolve, reject) => this.batches.push(new Batch(transport, deliveries, resolve, reject)));

  get runningCalls(): Call[] {
    return this.calls.filter(({ over }) => !over);
  }

  get running(): Batch[] {
    return this.batches.filter(({ over }) => !over);
  }

  /** The only one that runs. */
  get only(): Batch {
    const [batch, ...others] = this.running;
    if (batch === undefined || others.length > 0) throw new Error(`${this.running.length} batches run`);
    return batch;
  }

  /** The texts of every batch there was. */
  get texts(): string[][] {
    return this.batches.map(({ texts }) => texts);
  }
}

/** A broker with its inlet into the dispatcher; the test stands in for the supervisor. */
export class Broker {
  readonly transport: MemoryTransport;
  readonly inlet: Inlet;

  constructor(name: string, inlet: Inlet) {
    this.transport = new MemoryTransport(name);
    this.inlet = inlet;
  }

  connect(): Promise<MemorySession> {
    return this.transport.connect(this.inlet.deliver);
  }

  get session(): MemorySession {
    const { session } = this.transport;
    if (session === undefined) throw new Error('no session is open');
    return session;
  }

  /** Publishes and lets the dispatcher see it. */
  publish(...texts: string[]): Promise<void> {
    for (const text of texts) this.transport.publish(body(text));
    return tick();
  }

  /** The session breaks. */
  lose(): void {
    const { session } = this;
    session.end(new Error('the connection was lost'));
    this.inlet.forget(session);
  }

  /** What was settled so, in order. */
  settled(settlement: 'done' | 'release'): string[] {
    const settled = this.transport.settled.filter((one) => one.settlement === settlement);
    return settled.map(({ body }) => textOf(body));
  }
}

export interface Setup {
  readonly dispatcher: Dispatcher;
  readonly workers: Workers;
  readonly brokers: readonly Broker[];
}

/** The part of ava's `t` that is used here. */
interface Test {
  teardown(end: () => void): void;
}

/** A dispatcher between connected brokers and workers: one broker unless told, two slots, batches of ten. */
export async function setUp(
  t: Test,
  options: Partial<DispatcherOptions> & {
    shares?: ReadonlyArray<Partial<Share>>;
    callsAreKnown?: boolean;
  } = {},
): Promise<Setup & { broker: Broker }> {
  const { shares = [{}], callsAreKnown = false, ...rest } = options;
  const workers = new Workers();
  const dispatcher = new Dispatcher({
    run: workers.run,
    call: workers.call,
    slots: 2,
    callSlots: 1,
    callTimeout: 1000,
    waits: { look: async () => [], maxWaiters: 100, mayHold: () => true, logger: silent },
    busy: (_, { id }) => body(id === undefined ? 'busy' : `busy ${id}`),
    maxBatch: 10,
    gathering: 0,
    // A hold lasts less than a millisecond, so that one millisecond ends it.
    backoff: { base: 1, max: 1 },
    onDead: () => {},
    logger: silent,
    ...rest,
  });
  t.teardown(() => dispatcher.stop());
  const brokers = shares.map((share, index) => {
    const name = `broker-${index}`;
    const whole = { messages: 1000, bytes: 1_000_000, ...share };
    return new Broker(name, dispatcher.inlet(name, whole, { callsAreKnown }));
  });
  for (const one of brokers) await one.connect();
  const [broker] = brokers;
  if (broker === undefined) throw new Error('no broker');
  return { dispatcher, workers, brokers, broker };
}

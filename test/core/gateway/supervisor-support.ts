import { mock } from 'node:test';
import type { ExecutionContext, TestFn } from 'ava';
import { pino } from 'pino';
import { NotConnected } from '../../../src/core/errors.ts';
import { Supervisor } from '../../../src/core/gateway/supervisor.ts';
import type { Session, Transport } from '../../../src/core/transport/contract.ts';
import { MemoryTransport } from '../../../src/transports/memory/index.ts';
import { textOf, tick } from './support.ts';

/** A supervisor of a broker in memory, under timers that stand still. */

/** Timers run only when a test moves them. Every delay is half of its upper end. */
export function controlTimers(test: Pick<TestFn, 'beforeEach' | 'afterEach'>): void {
  test.beforeEach(() => {
    mock.timers.enable({ apis: ['setTimeout'] });
    mock.method(Math, 'random', () => 0.5);
  });
  test.afterEach.always(() => {
    mock.timers.reset();
    mock.restoreAll();
  });
}

export const backoff = { base: 100, max: 1000 };
export const never = new AbortController().signal;
export const lost = new NotConnected('the connection was lost');

interface Watched {
  readonly broker: MemoryTransport;
  readonly supervisor: Supervisor;
  /** The bodies that the inlet received. */
  readonly delivered: string[];
  /** The sessions that the inlet was told to forget. */
  readonly forgotten: Session[];
  readonly log: Record<string, unknown>[];
  /** Those of the inlet. */
  readonly counters: { held: number };
}

/** A supervisor of a broker, stopped at the end of the test. `through` stands between them. */
export function watch(
  t: ExecutionContext,
  through: (broker: Transport) => Transport = (broker) => broker,
): Watched {
  const broker = new MemoryTransport('broker');
  const [delivered, forgotten, log]: [string[], Session[], Record<string, unknown>[]] = [[], [], []];
  const inlet = {
    deliver: (delivery: { body: Uint8Array }) => delivered.push(textOf(delivery.body)) > 0,
    forget: (session: Session) => void forgotten.push(session),
    counters: { held: 0 },
  };
  const logger = pino(
    { base: null, level: 'debug' },
    { write: (line: string) => void log.push(JSON.parse(line)) },
  );
  const supervisor = new Supervisor({ transport: through(broker), inlet, backoff, logger });
  t.teardown(() => supervisor.stop(AbortSignal.abort(), AbortSignal.abort()));
  return { broker, supervisor, delivered, forgotten, log, counters: inlet.counters };
}

/** Moves the timers forward. */
export async function wait(milliseconds: number): Promise<void> {
  mock.timers.tick(milliseconds);
  await tick();
}

/** As `watch`, with a gate: attempts to connect wait while it is closed. */
export function withGate(t: ExecutionContext): Watched & { gate: { open(): void; close(): void } } {
  let opened = Promise.resolve();
  let open = () => {};
  const close = () => {
    opened = new Promise((resolve) => {
      open = resolve;
    });
  };
  const watched = watch(t, (broker) => ({
    name: broker.name,
    connect: (deliver) => opened.then(() => broker.connect(deliver)),
  }));
  // Runs before the teardown that stops the supervisor, which may wait at the gate.
  t.teardown(() => open());
  return { ...watched, gate: { open: () => open(), close } };
}

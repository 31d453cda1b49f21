import { mock } from 'node:test';
import ava, { type ExecutionContext } from 'ava';
import { pino } from 'pino';
import { ConfigError, NotConnected } from '../../../src/core/errors.ts';
import { Supervisor } from '../../../src/core/gateway/supervisor.ts';
import type { Session, Transport } from '../../../src/core/transport/contract.ts';
import { MemoryTransport } from '../../../src/transports/memory/index.ts';
import { body, textOf, tick } from './support.ts';

const test = ava.serial;
// Timers stand still but where a test moves them; every delay is half of its upper end.
test.beforeEach(() => {
  mock.timers.enable({ apis: ['setTimeout'] });
  mock.method(Math, 'random', () => 0.5);
});
test.afterEach.always(() => {
  mock.timers.reset();
  mock.restoreAll();
});

const backoff = { base: 100, max: 1000 };
const never = new AbortController().signal;
const lost = new NotConnected('the connection was lost');

interface Watched {
  readonly broker: MemoryTransport;
  readonly supervisor: Supervisor;
  /** What the lane was given. */
  readonly delivered: string[];
  /** The sessions that the lane was told to forget. */
  readonly forgotten: Session[];
  readonly log: Record<string, unknown>[];
}

/** A supervisor of a broker, stopped at the end of the test. `through` stands between them. */
function watch(t: ExecutionContext, through: (broker: Transport) => Transport = (broker) => broker): Watched {
  const broker = new MemoryTransport('broker');
  const [delivered, forgotten, log]: [string[], Session[], Record<string, unknown>[]] = [[], [], []];
  const inlet = {
    deliver: (delivery: { body: Uint8Array }) => delivered.push(textOf(delivery.body)) > 0,
    forget: (session: Session) => void forgotten.push(session),
  };
  const logger = pino(
    { base: null, level: 'debug' },
    { write: (line: string) => void log.push(JSON.parse(line)) },
  );
  const supervisor = new Supervisor({ transport: through(broker), inlet, backoff, logger });
  t.teardown(() => supervisor.stop(AbortSignal.abort()));
  return { broker, supervisor, delivered, forgotten, log };
}

/** Waits so long, as far as the timers know. */
async function wait(milliseconds: number): Promise<void> {
  mock.timers.tick(milliseconds);
  await tick();
}

/** As `watch`, with a gate that attempts to connect wait at while it is closed. */
function withGate(t: ExecutionContext): Watched & { gate: { open(): void; close(): void } } {
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
  // Before the supervisor is stopped, which may be waiting at the gate.
  t.teardown(() => open());
  return { ...watched, gate: { open: () => open(), close } };
}

test('a started supervisor consumes, and passes deliveries on', async (t) => {
  const { broker, supervisor, delivered } = watch(t);
  await supervisor.start();
  broker.publish(body('a'));
  t.is(supervisor.state, 'consuming');
  t.deepEqual(delivered, ['a']);
});

test('an unreachable broker does not fail the start: the supervisor tries again', async (t) => {
  const { broker, supervisor } = watch(t);
  broker.refusal = new NotConnected('nobody listens');
  await supervisor.start();
  t.is(supervisor.state, 'waiting');
  t.is(supervisor.lastError, 'nobody listens');
  await wait(50);
  t.is(broker.attempts, 2);
  broker.refusal = undefined;
  await wait(100);
  t.is(supervisor.state, 'consuming');
});

test('a wrong configuration fails the first attempt, and there is no second', async (t) => {
  const { broker, supervisor } = watch(t);
  broker.refusal = new ConfigError('wrong password');
  await t.throwsAsync(supervisor.start(), { instanceOf: ConfigError, message: 'wrong password' });
  await wait(10_000);
  t.is(broker.attempts, 1);
});

test('after the first attempt a wrong configuration is logged and tried again', async (t) => {
  const { broker, supervisor, log } = watch(t);
  await supervisor.start();
  broker.refusal = new ConfigError('wrong password');
  broker.session?.end(lost);
  await tick();
  await wait(50);
  t.true(log.some(({ error }) => error === 'wrong password'));
  broker.refusal = undefined;
  await wait(100);
  t.is(supervisor.state, 'consuming');
});

test('after a session has ended the supervisor makes another after a delay', async (t) => {
  const { broker, supervisor, delivered, forgotten, log } = watch(t);
  await supervisor.start();
  const { session } = broker;
  session?.end(lost);
  await tick();
  t.deepEqual(forgotten, [session]);
  t.is(supervisor.state, 'waiting');
  t.is(supervisor.lastError, 'the connection was lost');
  t.true(log.some(({ msg, error }) => msg === 'not connected' && error === 'the connection was lost'));
  await wait(49);
  t.is(broker.attempts, 1);
  await wait(1);
  t.not(broker.session, session);
  broker.publish(body('a'));
  t.deepEqual(delivered, ['a']);
});

test('the delays double with each failed attempt, up to the maximum', async (t) => {
  const { broker, supervisor, log } = watch(t);
  broker.refusal = lost;
  await supervisor.start();
  for (const delay of [50, 100, 200, 400, 500, 500]) {
    t.is(log.at(-1)?.retryInMs, delay);
    await wait(delay);
  }
  t.is(broker.attempts, 7);
});

test('the delay grows if sessions end at once, and is short again after a long session', async (t) => {
  const { broker, supervisor, log } = watch(t);
  const clock = mock.method(performance, 'now', () => 0);
  await supervisor.start();
  for (const delay of [50, 100, 200, 400]) {
    broker.session?.end(lost);
    await tick();
    t.is(log.at(-1)?.retryInMs, delay);
    await wait(delay);
  }
  clock.mock.mockImplementation(() => backoff.max + 1);
  broker.session?.end(lost);
  await tick();
  t.is(log.at(-1)?.retryInMs, 50);
});

test('a stop closes the session and makes no new one', async (t) => {
  const { broker, supervisor, forgotten, log } = watch(t);
  await supervisor.start();
  await supervisor.stop(never);
  t.is(broker.session, undefined);
  t.is(forgotten.length, 1);
  t.is(supervisor.state, 'stopped');
  await wait(10_000);
  t.is(broker.attempts, 1);
  t.deepEqual(
    log.map(({ msg }) => msg),
    ['consuming'],
  );
});

test('a stop does not wait for the delay before the next attempt', async (t) => {
  const { broker, supervisor } = watch(t);
  broker.refusal = lost;
  await supervisor.start();
  await t.notThrowsAsync(supervisor.stop(never));
  await wait(10_000);
  t.is(broker.attempts, 1);
});

test('a session that connects during a stop is closed', async (t) => {
  const { gate, broker, supervisor, forgotten } = withGate(t);
  await supervisor.start();
  broker.session?.end(lost);
  await tick();
  gate.close();
  await wait(50);
  t.is(supervisor.state, 'connecting');
  const stopped = supervisor.stop(never);
  gate.open();
  await stopped;
  t.is(broker.attempts, 2);
  t.is(broker.session, undefined);
  t.is(forgotten.length, 2);
  t.is(supervisor.state, 'stopped');
});

test('a session of the first attempt that connects during a stop is closed', async (t) => {
  const { gate, broker, supervisor } = withGate(t);
  gate.close();
  const started = supervisor.start();
  const stopped = supervisor.stop(never);
  gate.open();
  await Promise.all([started, stopped]);
  await tick();
  t.is(broker.attempts, 1);
  t.is(broker.session, undefined);
  t.is(supervisor.state, 'stopped');
});

test('a stop does not wait for a connection attempt past the deadline', async (t) => {
  const { gate, broker, supervisor } = withGate(t);
  await supervisor.start();
  broker.session?.end(lost);
  await tick();
  gate.close();
  await wait(50);
  const deadline = new AbortController();
  let stopped = false;
  void supervisor.stop(deadline.signal).then(() => {
    stopped = true;
  });
  deadline.abort();
  await tick();
  t.true(stopped);
});

test('a drain ends the deliveries, and keeps the session for settling', async (t) => {
  const { broker, supervisor, delivered } = watch(t);
  await supervisor.start();
  const { session } = broker;
  await supervisor.drain(never);
  broker.publish(body('a'));
  session?.resume();
  t.deepEqual(delivered, []);
  t.is(broker.session, session);
});

test('the supervisor makes no new session if the session breaks during a drain', async (t) => {
  const { broker, supervisor, forgotten } = watch(t);
  await supervisor.start();
  await supervisor.drain(never);
  broker.session?.end(lost);
  await tick();
  await wait(10_000);
  t.is(broker.attempts, 1);
  t.is(forgotten.length, 1);
});

test('a drain without a session ends at once', async (t) => {
  const { broker, supervisor } = watch(t);
  broker.refusal = lost;
  await supervisor.start();
  await t.notThrowsAsync(supervisor.drain(never));
  await wait(10_000);
  t.is(broker.attempts, 1);
});

/** The lines that an operator sees without asking for more. */
function seen(log: ReadonlyArray<Record<string, unknown>>): unknown[] {
  return log.filter(({ level }) => Number(level) >= 30).map(({ msg, error }) => error ?? msg);
}

test('an outage logs one line when it begins, one a minute, and one when it ends; an attempt logs none', async (t) => {
  const { broker, supervisor, log } = watch(t);
  let now = 0;
  mock.method(performance, 'now', () => now);
  broker.refusal = new NotConnected('nobody listens');
  await supervisor.start();
  for (let seconds = 0; seconds < 150; seconds += 1) {
    now += 1000;
    await wait(1000);
  }
  t.true(broker.attempts > 100);
  broker.refusal = undefined;
  await wait(1000);
  t.deepEqual(seen(log), ['nobody listens', 'nobody listens', 'nobody listens', 'consuming']);
});

test('a connection that breaks again and again as soon as it is made logs a few lines', async (t) => {
  const { broker, supervisor, log } = watch(t);
  let now = 0;
  mock.method(performance, 'now', () => now);
  await supervisor.start();
  for (let n = 0; n < 100; n += 1) {
    broker.session?.end(lost);
    await tick();
    now += 500;
    await wait(500);
  }
  t.is(broker.attempts, 101);
  // 50 s: ten times the two of them at once, and five times more.
  t.true(seen(log).length <= 32, `${seen(log).length}`);
});

for (const [what, fault] of [
  ['an error of its own', new TypeError('x is not a function')],
  ['something that is no error', 'nonsense'],
] as const) {
  test(`a transport that throws ${what} is tried again`, async (t) => {
    const { broker, supervisor } = watch(t, (broker) => ({
      name: broker.name,
      connect: (deliver) => {
        if (broker instanceof MemoryTransport && broker.refusal !== undefined) throw fault;
        return broker.connect(deliver);
      },
    }));
    broker.refusal = lost;
    await supervisor.start();
    t.is(supervisor.state, 'waiting');
    t.is(supervisor.lastError, fault instanceof Error ? fault.message : fault);
    broker.refusal = undefined;
    await wait(50);
    t.is(supervisor.state, 'consuming');
  });
}

test('the supervisor replaces a session whose end, drain and stop fail, and can stop', async (t) => {
  let fail: (error: Error) => void = () => {};
  const { broker, supervisor, forgotten } = watch(t, (broker) => ({
    name: broker.name,
    async connect(deliver) {
      const session = await broker.connect(deliver);
      const closed = new Promise<undefined>((_, reject) => {
        fail = (error) => {
          void session.stop(never);
          reject(error);
        };
      });
      return {
        settle: (deliveries, settlement) => session.settle(deliveries, settlement),
        publish: (publication) => session.publish(publication),
        pause: () => session.pause(),
        resume: () => session.resume(),
        drain: () => Promise.reject(new TypeError('cannot drain')),
        stop: () => Promise.reject(new TypeError('cannot stop')),
        closed,
      };
    },
  }));
  await supervisor.start();
  fail(new TypeError('cannot end'));
  await tick();
  t.is(forgotten.length, 1);
  t.is(supervisor.lastError, 'cannot end');
  await wait(50);
  t.is(broker.attempts, 2);
  await t.notThrowsAsync(supervisor.drain(never));
  const stopped = supervisor.stop(never);
  fail(lost);
  await t.notThrowsAsync(stopped);
});

import { mock } from 'node:test';
import ava from 'ava';
import { ConfigError, NotConnected } from '../../../src/core/errors.ts';
import { MemoryTransport } from '../../../src/transports/memory/index.ts';
import { backoff, controlTimers, lost, never, wait, watch } from './supervisor-support.ts';
import { body, tick } from './support.ts';

const test = ava.serial;
controlTimers(ava);

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
  const first = supervisor.lastErrorAt ?? 0;
  t.true(Math.abs(Date.now() - first) < 60_000);
  await wait(50);
  t.is(broker.attempts, 2);
  t.true((supervisor.lastErrorAt ?? 0) >= first);
  broker.refusal = undefined;
  await wait(100);
  t.is(supervisor.state, 'consuming');
  t.is(supervisor.lastError, 'nobody listens', 'it stays, with its time');
  t.not(supervisor.lastErrorAt, undefined);
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
  const stopped = supervisor.stop(never, never);
  fail(lost);
  await t.notThrowsAsync(stopped);
});

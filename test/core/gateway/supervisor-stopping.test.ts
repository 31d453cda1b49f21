import ava from 'ava';
import { controlTimers, lost, never, wait, watch, withGate } from './supervisor-support.ts';
import { body, tick } from './support.ts';

/** How a supervisor stops and drains. */

const test = ava.serial;
controlTimers(ava);

test('a stop closes the session and makes no new one', async (t) => {
  const { broker, supervisor, forgotten, log } = watch(t);
  await supervisor.start();
  await supervisor.stop(never, never);
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
  await t.notThrowsAsync(supervisor.stop(never, never));
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
  const stopped = supervisor.stop(never, never);
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
  const stopped = supervisor.stop(never, never);
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
  void supervisor.stop(deadline.signal, deadline.signal).then(() => {
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

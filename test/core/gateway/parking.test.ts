import { mock } from 'node:test';
import ava, { type ExecutionContext } from 'ava';
import { Parking } from '../../../src/core/gateway/parking.ts';
import { controlTimers, never, wait, watch } from './supervisor-support.ts';
import { setUp, silent, tick } from './support.ts';

const test = ava.serial;
controlTimers(test);

const after = 4000;
/** Milliseconds between two looks. */
const interval = after / 4;

/** A parking whose surroundings the test decides about, with what it has done. */
function open(t: ExecutionContext, more: { after?: number } = {}) {
  const state: { heldBecause: string | undefined; problem: string | undefined; committed: number } = {
    heldBecause: undefined,
    problem: 'away',
    committed: 0,
  };
  const done: string[] = [];
  let now = 0;
  mock.method(performance, 'now', () => now);
  const parking = new Parking({
    after: more.after ?? after,
    supervisors: [
      { park: () => Promise.resolve(void done.push('park')), unpark: () => void done.push('unpark') },
    ],
    gate: {
      get heldBecause() {
        return state.heldBecause;
      },
      park: () => void done.push('hold'),
      unpark: () => void done.push('flow'),
    },
    committed: () => state.committed,
    probe: () => Promise.resolve(state.problem),
    logger: silent,
  });
  parking.start();
  t.teardown(() => parking.stop());
  const pass = async (milliseconds: number) => {
    for (let passed = 0; passed < milliseconds; passed += interval) {
      now += interval;
      await wait(interval);
    }
  };
  return { state, done, pass, parking };
}

test('messages are given back once they are held for long, and taken again when the database answers', async (t) => {
  const { state, done, pass } = open(t);
  state.heldBecause = 'away';
  await pass(after);
  t.deepEqual(done, []);
  await pass(2 * interval);
  t.deepEqual(done, ['hold', 'park']);
  await pass(10 * after);
  t.deepEqual(done, ['hold', 'park']);
  state.problem = undefined;
  await pass(interval);
  t.deepEqual(done, ['hold', 'park', 'flow', 'unpark']);
});

test('a hold that ends in time parks nothing, and the next hold begins anew', async (t) => {
  const { state, done, pass } = open(t);
  for (let round = 0; round < 5; round += 1) {
    state.heldBecause = 'away';
    await pass(after - interval);
    state.heldBecause = undefined;
    await pass(interval);
  }
  t.deepEqual(done, []);
});

test('a replica that commits nothing between two parks stays parked longer each time, up to an hour', async (t) => {
  const { state, done, pass } = open(t);
  // The database answers, but its disk is full.
  Object.assign(state, { heldBecause: 'full', problem: undefined });
  const times: number[] = [];
  for (let park = 0; park < 5; park += 1) {
    const parks = () => done.filter((one) => one === 'park').length;
    while (parks() === park) await pass(interval);
    let time = 0;
    for (; done.at(-1) !== 'unpark'; time += interval) await pass(interval);
    times.push(time);
  }
  t.deepEqual(
    times.map((time) => Math.round(time / after)),
    [0, 2, 4, 8, 16],
  );
  state.committed = 1;
  const before = done.length;
  while (done.length < before + 4) await pass(interval);
  t.is(done.at(-1), 'unpark');
});

test('with park.after 0 nothing is ever given back', async (t) => {
  const { state, done, pass } = open(t, { after: 0 });
  state.heldBecause = 'away';
  await pass(10 * after);
  t.deepEqual(done, []);
});

test('a parked transport has no session and makes no attempt, until it is unparked', async (t) => {
  const { broker, supervisor, forgotten } = watch(t);
  await supervisor.start();
  broker.publish(Buffer.from('a'));
  const { session } = broker;
  await supervisor.park(never);
  await supervisor.park(never);
  await wait(100_000);
  t.is(supervisor.state, 'parked');
  t.is(broker.attempts, 1);
  t.is(broker.queue.length, 1);
  t.deepEqual(forgotten, [session]);
  supervisor.unpark();
  await tick();
  t.is(supervisor.state, 'consuming');
  t.is(broker.attempts, 2);
  t.is(broker.queue.length, 0);
});

test('a transport is parked in the middle of an attempt too, and stops while it is parked', async (t) => {
  const { broker, supervisor } = watch(t);
  broker.refusal = new Error('away');
  await supervisor.start();
  await supervisor.park(never);
  broker.refusal = undefined;
  await wait(100_000);
  t.is(supervisor.state, 'parked');
  t.is(broker.session, undefined);
  await supervisor.stop(never, never);
  t.is(supervisor.state, 'stopped');
});

test('a session that cannot give back is not parked', async (t) => {
  const { broker, supervisor } = watch(t, (inner) => ({
    name: inner.name,
    connect: async (deliver) => Object.assign(await inner.connect(deliver), { givesBack: false }),
  }));
  await supervisor.start();
  await supervisor.park(never);
  t.is(supervisor.state, 'consuming');
  t.not(broker.session, undefined);
});

test('a parked dispatcher runs nothing, and what the brokers do not take back is its first probe', async (t) => {
  const { dispatcher, workers, broker } = await setUp(t, {});
  await broker.publish('a');
  await workers.only.hold('no database');
  dispatcher.gate.park();
  mock.timers.tick(1_000_000);
  await tick();
  t.deepEqual(workers.running, []);
  t.is(dispatcher.heldBecause, 'no database');
  dispatcher.gate.unpark();
  await tick();
  t.is(dispatcher.heldBecause, 'no database');
  await workers.only.finish();
  t.is(dispatcher.heldBecause, undefined);
});

test('a parked dispatcher whose messages have gone back flows again at once', async (t) => {
  const { dispatcher, workers, broker } = await setUp(t, {});
  await broker.publish('a');
  await workers.only.hold('no database');
  dispatcher.gate.park();
  const { session } = broker;
  session.end(undefined);
  broker.inlet.forget(session);
  dispatcher.gate.unpark();
  await tick();
  t.is(dispatcher.heldBecause, undefined);
});

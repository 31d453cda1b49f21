import { mock } from 'node:test';
import ava from 'ava';
import { Undeliverable } from '../../../src/core/errors.ts';
import { CALL } from '../../../src/core/message/outcome.ts';
import { type Broker, body, type Setup, setUp, textOf, tick } from './support.ts';

/** Calls hold a part of what a transport may hold; casts have the rest, however slow the calls are. */

const test = ava.serial;
test.beforeEach(() => mock.timers.enable({ apis: ['setTimeout'] }));
test.afterEach.always(() => mock.timers.reset());

/** Publishes calls that say in a property where their answer goes. */
function publishCalls(broker: Broker, count: number, deadline?: number): Promise<void> {
  for (let n = 1; n <= count; n += 1)
    broker.transport.publish(body(`call ${n}`), { replyTo: `caller ${n}`, correlationId: `${n}`, deadline });
  return tick();
}

/** Tells calls from casts until no batch runs. */
async function tellAll({ workers }: Setup): Promise<void> {
  for (let [batch] = workers.running; batch !== undefined; [batch] = workers.running) await batch.tellCalls();
}

function answers({ transport }: Broker): string[] {
  return transport.published.map(
    ({ to, body, correlationId }) => `${to.name} ${correlationId}: ${textOf(body)}`,
  );
}

test('calls hold at most a quarter of the share; further calls are answered Busy at once and settled', async (t) => {
  const setup = await setUp(t, { shares: [{ messages: 16 }] });
  const { broker, workers } = setup;
  await publishCalls(broker, 7);
  await tellAll(setup);
  t.deepEqual(answers(broker), ['caller 5 5: busy', 'caller 6 6: busy', 'caller 7 7: busy']);
  t.deepEqual(broker.settled('done'), ['call 5', 'call 6', 'call 7']);
  t.like(broker.inlet.counters, { held: 4, unexplained: 0 });
  t.is(broker.inlet.counters.outcomes.refused, 3);
  t.deepEqual(
    workers.calls.map(({ text }) => text),
    ['call 1'],
    'none of them was run',
  );
});

test('casts flow beside any number of slow calls', async (t) => {
  const setup = await setUp(t, { maxBatch: 4, shares: [{ messages: 8 }] });
  const { broker } = setup;
  await publishCalls(broker, 32);
  await broker.publish(...Array.from({ length: 20 }, (_, n) => `cast ${n}`));
  await tellAll(setup);
  t.is(broker.settled('done').filter((text) => text.startsWith('cast')).length, 20);
  t.like(broker.inlet.counters, { held: 2, unexplained: 0 });
  t.is(broker.inlet.counters.outcomes.refused, 30);
});

test('a call that has ended makes room for another', async (t) => {
  const setup = await setUp(t, { shares: [{ messages: 8 }] });
  const { broker, workers } = setup;
  await publishCalls(broker, 2);
  await tellAll(setup);
  await workers.calls[0]?.answer('pong');
  await publishCalls(broker, 2);
  await tellAll(setup);
  t.deepEqual(
    answers(broker).map((answer) => answer.replace(/.*: /, '')),
    ['pong', 'busy'],
  );
  t.is(broker.inlet.counters.held, 2);
});

test('the calls that fill all slots have room, but at most half of the share', async (t) => {
  const setup = await setUp(t, { callSlots: 3, shares: [{ messages: 8 }, { messages: 4 }, { messages: 1 }] });
  for (const [index, room] of [3, 2, 1].entries()) {
    const broker = setup.brokers[index];
    if (broker === undefined) throw new Error('no broker');
    await publishCalls(broker, 4);
    await tellAll(setup);
    t.is(broker.inlet.counters.held, room);
  }
});

test('calls hold at most a quarter of the bytes, but one call of any size is taken', async (t) => {
  const setup = await setUp(t, { shares: [{ bytes: 40 }] });
  const { broker, workers } = setup;
  broker.transport.publish(body('call that is long'), { replyTo: 'caller 0', correlationId: '0' });
  await publishCalls(broker, 1);
  await tellAll(setup);
  t.deepEqual(answers(broker), ['caller 1 1: busy']);
  await workers.calls[0]?.answer('pong');
  t.like(broker.inlet.counters, { held: 0, heldBytes: 0 });
  // Six bytes each.
  await publishCalls(broker, 3);
  await tellAll(setup);
  t.is(broker.inlet.counters.held, 2);
});

test('the calls of one transport take no room from another transport', async (t) => {
  const setup = await setUp(t, { shares: [{ messages: 4 }, { messages: 4 }] });
  const [one, other] = setup.brokers;
  if (one === undefined || other === undefined) throw new Error('no broker');
  await publishCalls(one, 2);
  await publishCalls(other, 1);
  await tellAll(setup);
  t.is(one.inlet.counters.outcomes.refused, 1);
  t.is(other.inlet.counters.outcomes.refused, 0);
});

test('the Busy answer goes to the reply address in the body, in the wire form of the call', async (t) => {
  const { broker, workers } = await setUp(t, { shares: [{ messages: 2 }] });
  await broker.publish('call 1', 'call 2');
  const addresses = [[1, { replyTo: 'queue', id: 'm-1' }]] as const;
  await workers.only.report({ codes: Uint8Array.of(CALL, CALL), dead: [], addresses });
  t.deepEqual(
    broker.transport.published.map(({ to, body }) => [to.kind, to.name, textOf(body)]),
    [['reply', 'queue', 'busy m-1']],
  );
});

test('a refused call without a reply address is settled', async (t) => {
  const { broker, workers } = await setUp(t, { shares: [{ messages: 2 }] });
  await broker.publish('call 1', 'call 2');
  await workers.only.tellCalls();
  t.deepEqual(broker.transport.published, []);
  t.deepEqual(broker.settled('done'), ['call 2']);
});

test('calls whose callers no longer wait make room for others', async (t) => {
  const setup = await setUp(t, { shares: [{ messages: 8 }] });
  const { broker, workers } = setup;
  const clock = mock.method(performance, 'now', () => 0);
  t.teardown(() => clock.mock.restore());
  await publishCalls(broker, 2, 1000);
  await tellAll(setup);
  clock.mock.mockImplementation(() => 1001);
  await publishCalls(broker, 1);
  await tellAll(setup);
  t.deepEqual(answers(broker), []);
  t.deepEqual(broker.settled('done'), ['call 2']);
  t.is(broker.inlet.counters.outcomes.expired, 1);
  await workers.calls[0]?.answer('late');
  t.is(workers.calls.length, 2);
});

test('while the broker takes no answers a refused call is kept for a second, and later ones are not kept', async (t) => {
  const setup = await setUp(t, { shares: [{ messages: 4 }, { messages: 4 }] });
  const { broker } = setup;
  let letGo = () => {};
  const stuck = new Promise<void>((resolve) => {
    letGo = resolve;
  });
  const publish = mock.method(broker.session, 'publish', () => stuck);
  await publishCalls(broker, 2);
  await tellAll(setup);
  t.deepEqual(broker.settled('done'), []);
  mock.timers.tick(1000);
  await tick();
  t.deepEqual(broker.settled('done'), ['call 2']);
  await publishCalls(broker, 3);
  await tellAll(setup);
  t.is(publish.mock.callCount(), 1);
  t.is(broker.inlet.counters.outcomes.refused, 4);
  const [, other] = setup.brokers;
  if (other === undefined) throw new Error('no broker');
  await publishCalls(other, 3);
  await tellAll(setup);
  t.true(answers(other).length > 0, 'another broker is none of it');
  letGo();
  await tick();
  await publishCalls(broker, 1);
  await tellAll(setup);
  t.is(publish.mock.callCount(), 2, 'once it takes answers again, they are told');
});

test('a refused call is settled if the broker refuses its answer', async (t) => {
  const setup = await setUp(t, { shares: [{ messages: 4 }] });
  const { broker } = setup;
  mock.method(broker.session, 'publish', () => Promise.reject(new Undeliverable('nobody listens')));
  await publishCalls(broker, 2);
  await tellAll(setup);
  t.deepEqual(broker.settled('done'), ['call 2']);
});

test('at a stop a refused call without an answer is released once', async (t) => {
  const setup = await setUp(t, { shares: [{ messages: 4 }] });
  const { broker, dispatcher } = setup;
  mock.method(broker.session, 'publish', () => new Promise(() => {}));
  await publishCalls(broker, 2);
  await tellAll(setup);
  dispatcher.stop();
  t.deepEqual(broker.settled('release').toSorted(), ['call 1', 'call 2']);
  mock.timers.tick(1000);
  await tick();
  t.like(broker.inlet.counters, { held: 0, released: 2, unexplained: 0 });
});

test('a session that ends frees the room of its calls', async (t) => {
  const setup = await setUp(t, { callSlots: 2, shares: [{ messages: 16 }] });
  const { broker, workers } = setup;
  await publishCalls(broker, 4);
  await tellAll(setup);
  broker.lose();
  for (const call of [...workers.calls]) await call.answer('to nobody');
  t.is(broker.inlet.counters.held, 0);
  await broker.connect();
  await tick();
  await tellAll(setup);
  t.is(broker.inlet.counters.outcomes.refused, 0);
  t.like(broker.inlet.counters, { held: 4, unexplained: 0 });
});

test('a held call keeps its room', async (t) => {
  const setup = await setUp(t, { shares: [{ messages: 4 }] });
  const { broker, workers } = setup;
  await publishCalls(broker, 1);
  await tellAll(setup);
  await workers.calls[0]?.report({ outcome: undefined, heldBecause: 'no database' });
  mock.timers.tick(1);
  await tick();
  await workers.calls[1]?.answer('pong');
  t.is(broker.inlet.counters.held, 0);
  await publishCalls(broker, 2);
  await tellAll(setup);
  t.is(broker.inlet.counters.outcomes.refused, 1);
});

test('a slow call that holds most of the bytes does not keep its session paused', async (t) => {
  const setup = await setUp(t, { shares: [{ bytes: 40 }] });
  const { broker } = setup;
  await broker.publish('call of 24 bytes in all.');
  await tellAll(setup);
  await broker.publish('cast of 10', 'cast of 10', 'another');
  t.true(broker.session.paused);
  await tellAll(setup);
  t.deepEqual(broker.settled('done'), ['cast of 10', 'cast of 10', 'another']);
  t.false(broker.session.paused);
});

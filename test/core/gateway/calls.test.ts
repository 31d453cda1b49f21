import { mock } from 'node:test';
import test from 'ava';
import { pino } from 'pino';
import { Undeliverable } from '../../../src/core/errors.ts';
import { type Broker, body, setUp, textOf, tick } from './support.ts';

/** Calls come to light in a batch and run by themselves. */

/** Publishes a call with a reply address. */
function publishCall(broker: Broker, text: string, deadline?: number): Promise<void> {
  broker.transport.publish(body(text), { replyTo: 'caller', correlationId: `${text}'s`, deadline });
  return tick();
}

test('a call runs once its batch has settled, and is settled after its answer', async (t) => {
  const { broker, workers } = await setUp(t);
  await broker.publish('cast 1');
  await publishCall(broker, 'call 1');
  await workers.only.tellCalls();
  await workers.only.tellCalls();
  t.deepEqual(broker.settled('done'), ['cast 1']);
  const [call] = workers.calls;
  t.is(call?.text, 'call 1');
  t.is(call?.timeout, 1000);
  await call?.answer('pong');
  t.deepEqual(
    broker.transport.published.map(({ to, body, correlationId }) => ({
      to,
      text: textOf(body),
      correlationId,
    })),
    [{ to: { kind: 'reply', name: 'caller' }, text: 'pong', correlationId: "call 1's" }],
  );
  t.deepEqual(broker.settled('done'), ['cast 1', 'call 1']);
  t.is(broker.inlet.counters.outcomes.answered, 1);
  t.is(broker.inlet.counters.unexplained, 0);
});

test('a call that its reply address betrays runs at once, without a batch', async (t) => {
  const { broker, workers } = await setUp(t, { callsAreKnown: true });
  await publishCall(broker, 'call');
  t.deepEqual(workers.texts, []);
  t.deepEqual(
    workers.calls.map(({ text }) => text),
    ['call'],
  );
  await workers.calls[0]?.answer('pong');
  t.deepEqual(broker.settled('done'), ['call']);
  t.is(broker.inlet.counters.outcomes.answered, 1);
  t.is(broker.inlet.counters.unexplained, 0);
});

test('a call never overtakes the casts before it', async (t) => {
  const { broker, workers } = await setUp(t, { callsAreKnown: true, slots: 1 });
  await broker.publish('cast 1');
  await broker.publish('cast 2');
  await publishCall(broker, 'call');
  t.deepEqual(workers.calls, []);
  await workers.only.tellCalls();
  t.deepEqual(workers.calls, []);
  await workers.only.tellCalls();
  t.deepEqual(
    workers.calls.map(({ text }) => text),
    ['call'],
  );
});

test('a call without room is refused, though its reply address betrays it', async (t) => {
  // Half of the share is for calls: one.
  const { broker, workers } = await setUp(t, { callsAreKnown: true, shares: [{ messages: 2 }] });
  await publishCall(broker, 'call 1');
  await publishCall(broker, 'call 2');
  await workers.only.tellCalls();
  t.deepEqual(
    broker.transport.published.map(({ body }) => textOf(body)),
    ['busy'],
  );
  t.is(broker.inlet.counters.outcomes.refused, 1);
});

test('a slow call delays no cast, and the next call waits for it', async (t) => {
  const { broker, workers } = await setUp(t);
  await publishCall(broker, 'call 1');
  await publishCall(broker, 'call 2');
  await workers.only.tellCalls();
  await workers.only.tellCalls();
  t.is(workers.calls.length, 1);
  await broker.publish('cast');
  await workers.only.tellCalls();
  t.deepEqual(broker.settled('done'), ['cast']);
  await workers.calls[0]?.answer('late');
  t.deepEqual(
    workers.calls.map(({ text }) => text),
    ['call 1', 'call 2'],
  );
});

test('a call is not run if its caller no longer waits', async (t) => {
  const { broker, workers } = await setUp(t);
  await publishCall(broker, 'call', performance.now() - 1);
  await workers.only.tellCalls();
  t.is(workers.calls.length, 0);
  t.is(broker.inlet.counters.outcomes.expired, 1);
  t.deepEqual(broker.settled('done'), ['call']);
  t.deepEqual(broker.transport.published, []);
});

test('a call gets no more time than its caller waits', async (t) => {
  const { broker, workers } = await setUp(t);
  await publishCall(broker, 'call', performance.now() + 500);
  await workers.only.tellCalls();
  const [call] = workers.calls;
  t.true(call !== undefined && call.timeout > 0 && call.timeout <= 500);
});

test('a call is held while the database is away, and is the probe if there is no cast', async (t) => {
  const { broker, workers, dispatcher } = await setUp(t);
  await publishCall(broker, 'call');
  await workers.only.tellCalls();
  await workers.calls[0]?.report({ outcome: undefined, heldBecause: 'the database is gone' });
  t.is(dispatcher.heldBecause, 'the database is gone');
  const { heldSince } = dispatcher.gate;
  t.not(heldSince, undefined);
  t.is(broker.inlet.counters.held, 1);
  while (workers.calls.length < 2) await tick();
  t.is(dispatcher.gate.heldSince, heldSince, 'a probe changes nothing');
  await workers.calls[1]?.answer('pong');
  t.is(dispatcher.heldBecause, undefined);
  t.is(dispatcher.gate.heldSince, undefined);
  t.deepEqual(broker.settled('done'), ['call']);
});

test('a batch of calls alone does not prove that the database is back', async (t) => {
  const { broker, workers, dispatcher } = await setUp(t);
  await broker.publish('cast');
  await workers.only.hold('the database is gone');
  await publishCall(broker, 'call');
  while (workers.running.length === 0) await tick();
  // The probe takes both along; of the cast nothing is known.
  await workers.only.hold('the database is gone');
  t.is(dispatcher.heldBecause, 'the database is gone');
});

test('a waiting or running call is dropped when its session ends, because the broker still has it', async (t) => {
  const { broker, workers } = await setUp(t);
  await publishCall(broker, 'call 1');
  await publishCall(broker, 'call 2');
  await workers.only.tellCalls();
  await workers.only.tellCalls();
  broker.lose();
  await workers.calls[0]?.answer('to nobody');
  const { held, released, unexplained } = broker.inlet.counters;
  t.is(held, 0);
  t.is(unexplained, 0);
  t.is(released, 1);
});

test('a stop releases waiting and running calls', async (t) => {
  const { broker, workers, dispatcher } = await setUp(t);
  await publishCall(broker, 'call 1');
  await publishCall(broker, 'call 2');
  await workers.only.tellCalls();
  await workers.only.tellCalls();
  dispatcher.stop();
  t.deepEqual(broker.settled('release').sort(), ['call 1', 'call 2']);
  t.is(broker.inlet.counters.unexplained, 0);
  await workers.calls[0]?.answer('too late');
  t.is(broker.inlet.counters.unexplained, 0);
});

test('a refused call does not prove that the database is back', async (t) => {
  const { broker, workers, dispatcher } = await setUp(t);
  await publishCall(broker, 'call 1');
  await publishCall(broker, 'call 2');
  await workers.only.tellCalls();
  await workers.only.tellCalls();
  await workers.calls[0]?.report({ outcome: undefined, heldBecause: 'the database is gone' });
  while (workers.calls.length < 2) await tick();
  await workers.calls[1]?.report({ outcome: 'refused', reply: { body: body('no such method') } });
  t.is(dispatcher.heldBecause, 'the database is gone');
  // The next one is asked.
  t.is(workers.calls.length, 3);
  await workers.calls[2]?.answer('pong');
  t.is(dispatcher.heldBecause, undefined);
});

test('each attempt of a call is told how often the call has lost its connection', async (t) => {
  const { broker, workers } = await setUp(t);
  await publishCall(broker, 'call');
  await workers.only.tellCalls();
  for (const losses of [0, 1, 2]) {
    while (workers.calls.length <= losses) await tick();
    t.is(workers.calls[losses]?.losses, losses);
    await workers.calls[losses]?.report({ outcome: undefined, heldBecause: 'lost', lost: true });
  }
  while (workers.calls.length < 4) await tick();
  // Held for another reason.
  await workers.calls[3]?.report({ outcome: undefined, heldBecause: 'the database is gone' });
  while (workers.calls.length < 5) await tick();
  t.is(workers.calls[4]?.losses, 3);
  await workers.calls[4]?.report({ outcome: 'refused', reply: { body: body('it was told') } });
  t.deepEqual(broker.settled('done'), ['call']);
});

test('answers that the broker refuses, and methods that fail, are a few lines, not one each', async (t) => {
  const lines: string[] = [];
  const logger = pino({ base: null }, { write: (line: string) => void lines.push(JSON.parse(line).msg) });
  const { broker, workers } = await setUp(t, { logger, shares: [{ messages: 1000 }] });
  mock.method(broker.session, 'publish', () => Promise.reject(new Undeliverable('nobody listens')));
  for (let n = 0; n < 100; n += 1) {
    await publishCall(broker, 'call');
    await workers.only.tellCalls();
    const reply = { body: body('it failed') };
    await workers.calls.at(-1)?.report({ outcome: 'refused', problem: 'x is not a function', reply });
  }
  const count = (message: string) => lines.filter((line) => line === message).length;
  t.true(count('could not publish') >= 10 && count('could not publish') < 20, `${lines.length}`);
  t.true(count('a method failed') >= 10 && count('a method failed') < 20, `${lines.length}`);
});

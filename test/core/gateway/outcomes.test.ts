import test from 'ava';
import { CALL, type DeadNotice, outcomeKinds } from '../../../src/core/message/outcome.ts';
import { letters, setUp, tick } from './support.ts';

test('a message is settled once its outcome is there', async (t) => {
  const { workers, broker } = await setUp(t);
  await broker.publish('a', 'b');
  t.deepEqual(broker.transport.settled, []);
  await workers.only.finish();
  t.deepEqual(broker.settled('done'), ['a', 'b']);
});

test('every outcome settles the message as done, and is counted', async (t) => {
  const { workers, broker } = await setUp(t);
  await broker.publish(...outcomeKinds);
  await workers.only.report({ codes: Uint8Array.from(outcomeKinds.keys()), dead: letters('not_json') });
  t.deepEqual(broker.settled('done'), [...outcomeKinds]);
  const { outcomes, deadBy, received, held, heldBytes, unexplained } = broker.inlet.counters;
  t.deepEqual(outcomes, Object.fromEntries(outcomeKinds.map((kind) => [kind, 1])));
  t.deepEqual(deadBy, { not_json: 1 });
  t.like({ received, held, heldBytes, unexplained }, { received: 9, held: 0, heldBytes: 0, unexplained: 0 });
});

test('dead letters are counted by reason', async (t) => {
  const { workers, broker } = await setUp(t);
  await broker.publish('a', 'b', 'c');
  await workers.only.report({ codes: Uint8Array.of(4, 4, 4), dead: letters('refused', 'crash', 'refused') });
  t.deepEqual(broker.inlet.counters.deadBy, { refused: 2, crash: 1 });
});

test('each dead letter is reported, those of calls too', async (t) => {
  const told: DeadNotice[] = [];
  const { workers, broker } = await setUp(t, { onDead: (notice) => void told.push(notice) });
  await broker.publish('a', 'call');
  const [one, other] = letters('not_json', 'forbidden');
  if (one === undefined) throw new Error('no letter');
  await workers.only.report({ codes: Uint8Array.of(4, CALL), dead: [one] });
  await workers.calls[0]?.report({ outcome: 'dead', dead: other });
  t.deepEqual(told, letters('not_json', 'forbidden'));
});

test('the latency of a batch is recorded in microseconds', async (t) => {
  const { workers, broker } = await setUp(t);
  await broker.publish('a');
  await workers.only.finish();
  const { count, max } = broker.inlet.counters.latency;
  t.is(count, 1);
  t.true(max >= 1 && max < 60_000_000, `${max}`);
});

for (const [what, codes] of [
  ['is missing', Uint8Array.of(0)],
  ['has a number that stands for nothing', Uint8Array.of(0, 77)],
] as const) {
  test(`a message whose outcome ${what} is not settled`, async (t) => {
    const { workers, broker } = await setUp(t);
    await broker.publish('a', 'b');
    await workers.only.report({ codes, dead: [] });
    t.deepEqual(broker.settled('done'), ['a']);
    t.is(broker.inlet.counters.held, 1);
    t.is(broker.inlet.counters.unexplained, 0);
  });
}

test('a redelivery is counted', async (t) => {
  const { broker } = await setUp(t);
  await broker.publish('a');
  broker.lose();
  await broker.connect();
  await broker.publish('b');
  const { received, redelivered } = broker.inlet.counters;
  t.like({ received, redelivered }, { received: 3, redelivered: 1 });
});

test('waiting messages are dropped when their session ends, and arrive with the next session', async (t) => {
  const { workers, broker } = await setUp(t, { slots: 1 });
  await broker.publish('running');
  await broker.publish('waiting');
  broker.lose();
  t.is(broker.inlet.counters.released, 1);
  t.is(broker.inlet.counters.held, 1);
  await workers.only.finish();
  t.is(workers.batches.length, 1);
  await broker.connect();
  await tick();
  t.deepEqual(workers.texts, [['running'], ['running', 'waiting']]);
});

test('late outcomes of an ended session settle nothing', async (t) => {
  const { workers, broker } = await setUp(t);
  await broker.publish('a');
  const { only } = workers;
  broker.lose();
  await broker.connect();
  await only.finish();
  t.deepEqual(broker.transport.settled, []);
  const { outcomes, received, held, unexplained } = broker.inlet.counters;
  t.like({ received, held, unexplained }, { received: 2, held: 1, unexplained: 0 });
  t.is(outcomes.applied, 1);
});

test('the end of a session does not affect another transport', async (t) => {
  const { workers, brokers } = await setUp(t, { slots: 1, shares: [{}, {}] });
  const [one, other] = brokers;
  await one?.publish('a');
  await other?.publish('b');
  one?.lose();
  await workers.only.finish();
  await workers.only.finish();
  t.deepEqual(one?.settled('done'), []);
  t.deepEqual(other?.settled('done'), ['b']);
});

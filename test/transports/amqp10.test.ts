import test from 'ava';
import rhea, { type EventContext, type Message } from 'rhea';
import type { Delivery } from '../../src/core/transport/contract.ts';
import { waitFor } from '../support/wait.ts';
import { consume, soon } from './amqp10-support.ts';
import type { FakeBroker } from './fake-broker.ts';

const data = (text: string): Message => ({ body: rhea.message.data_section(Buffer.from(text)) });

/** Gives the library so many to send as it has credit for, and counts what becomes of them. */
function queue({ container, senders }: FakeBroker, total: number) {
  const counts = { accepted: 0, released: 0 };
  for (const outcome of ['accepted', 'released'] as const) {
    container.on(outcome, () => {
      counts[outcome] += 1;
    });
  }
  for (let number = 0; number < total; number += 1) senders[0]?.send(data(`message ${number}`));
  return counts;
}

test('a delivery that is accepted and one that is released in the same turn are settled separately', async (t) => {
  const { broker, session, deliveries } = await consume(t);
  const outcomes: string[] = [];
  for (const outcome of ['accepted', 'released', 'modified', 'rejected'])
    broker.container.on(outcome, ({ delivery }: EventContext) => outcomes.push(`${delivery?.id} ${outcome}`));
  for (let number = 0; number < 6; number += 1) broker.senders[0]?.send(data('x'));
  await waitFor(() => deliveries.length === 6, { what: 'six deliveries' });
  const [zero, one, two, three, four, five] = deliveries;
  const given = (...some: (Delivery | undefined)[]) => some.filter((each) => each !== undefined);
  session.settle(given(zero), 'done');
  session.settle(given(one), 'release');
  session.settle(given(two), 'done');
  session.settle(given(five, three), 'release');
  session.settle(given(four), 'done');
  await session.stop(soon());
  t.deepEqual(outcomes.toSorted(), [
    '0 accepted',
    '1 released',
    '2 accepted',
    '3 released',
    '4 accepted',
    '5 released',
  ]);
});

test('all settlements of one turn are one frame', async (t) => {
  const { broker, session, deliveries } = await consume(t, { bound: 1000 });
  for (let number = 0; number < 900; number += 1) broker.senders[0]?.send(data('x'));
  await waitFor(() => deliveries.length === 900, { what: 'all of them' });
  let frames = 0;
  const [connection] = broker.connections;
  const onDisposition: unknown = connection?.on_disposition;
  if (connection === undefined || typeof onDisposition !== 'function') throw new Error('no connection');
  connection.on_disposition = (frame: unknown) => {
    frames += 1;
    Reflect.apply(onDisposition, connection, [frame]);
  };
  session.settle(deliveries, 'done');
  await session.stop(soon());
  t.is(frames, 1);
});

test('at most the bound is unsettled, with any settling, pausing and resuming', async (t) => {
  let settled = 0;
  let arrived = 0;
  let most = 0;
  const { broker, session, deliveries } = await consume(t, {
    bound: 10,
    accept: () => {
      arrived += 1;
      most = Math.max(most, arrived - settled);
      return true;
    },
  });
  const counts = queue(broker, 400);
  await waitFor(
    () => {
      const waiting = deliveries.slice(settled);
      settled = deliveries.length;
      if (settled % 3 === 0) session.pause();
      // From the last to the first, and the first of all last.
      session.settle(waiting.slice(1).reverse(), 'done');
      session.settle(waiting.slice(0, 1), 'done');
      session.resume();
      return counts.accepted === 400;
    },
    { what: 'all of them to be accepted', interval: 1 },
  );
  t.is(most, 10);
  t.is(deliveries.length, 400);
  t.is(counts.released, 0);
});

test('the broker withholds refused deliveries until the session is resumed, and gets less credit then', async (t) => {
  let room = 20;
  const { broker, session, deliveries } = await consume(t, {
    accept: () => {
      room -= 1;
      return room >= 0;
    },
  });
  const counts = queue(broker, 1000);
  await waitFor(() => room < 0, { what: 'one to be refused' });
  session.settle(deliveries.slice(), 'done');
  await waitFor(() => counts.accepted === 20, { what: 'those that were taken to be accepted' });
  t.is(counts.released, 0);
  t.is(room, -1, 'nothing more is offered');
  room = 1000;
  session.resume();
  // Three quarters of twenty, opened by a quarter since twenty have been settled.
  await waitFor(() => deliveries.length === 20 + 19, { what: 'what follows' });
  t.true(counts.released > 0 && counts.released <= 80, `${counts.released} were released`);
  session.settle(deliveries.slice(20), 'done');
  await waitFor(() => counts.accepted === 39, { what: 'the rest to be accepted' });
  t.true(counts.released <= 80);
});

for (const [what, end, expected] of [
  ['cuts the connection', (broker: FakeBroker) => broker.cut(), /lost|ECONNRESET/],
  [
    'closes the link',
    (broker: FakeBroker) =>
      broker.senders[0]?.close({ condition: 'amqp:resource-deleted', description: 'deleted' }),
    /the link to conductor: amqp:resource-deleted: deleted/,
  ],
  [
    'closes the link without a word',
    (broker: FakeBroker) => broker.senders[0]?.close(),
    /closed the link to conductor/,
  ],
  [
    'ends the session',
    (broker: FakeBroker) =>
      broker.senders[0]?.session.close({ condition: 'amqp:internal-error', description: 'oh' }),
    /amqp:internal-error: oh/,
  ],
  [
    'closes the connection',
    (broker: FakeBroker) =>
      broker.connections[0]?.close({ condition: 'amqp:connection:forced', description: 'by the operator' }),
    /amqp:connection:forced: by the operator/,
  ],
] as const) {
  test(`a peer that ${what} ends the session once, with an error that says so`, async (t) => {
    const { broker, session, deliveries } = await consume(t);
    broker.senders[0]?.send(data('x'));
    await waitFor(() => deliveries.length === 1, { what: 'a delivery' });
    end(broker);
    const error = await session.closed;
    t.is(error?.name, 'NotConnected');
    t.regex(error?.message ?? '', expected);
    t.notThrows(() => session.settle(deliveries, 'done'));
    await session.drain(soon());
    await session.stop(soon());
  });
}

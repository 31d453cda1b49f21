import { createServer } from 'node:net';
import test, { type ExecutionContext } from 'ava';
import { pino } from 'pino';
import rhea, { type EventContext, type Message } from 'rhea';
import type { Delivery } from '../../src/core/contracts.ts';
import { transportKinds } from '../../src/transports/index.ts';
import { make } from '../conformance/subjects/subject.ts';
import { waitFor } from '../support/wait.ts';
import { type FakeBroker, type FakeOptions, startFakeBroker } from './fake-broker.ts';

const soon = () => AbortSignal.timeout(5000);
const data = (text: string): Message => ({ body: rhea.message.data_section(Buffer.from(text)) });

interface Consuming {
  readonly broker: FakeBroker;
  readonly session: Awaited<ReturnType<ReturnType<typeof make>['connect']>>;
  readonly deliveries: Delivery[];
}

async function consume(
  t: ExecutionContext,
  {
    bound = 100,
    accept = () => true,
    ...options
  }: FakeOptions & { bound?: number; accept?: () => boolean } = {},
): Promise<Consuming> {
  const broker = await startFakeBroker(t, options);
  const deliveries: Delivery[] = [];
  const session = await make('amqp10', { url: broker.url }, bound).connect((delivery) => {
    if (!accept()) return false;
    deliveries.push(delivery);
    return true;
  });
  t.teardown(() => session.stop(soon()));
  return { broker, session, deliveries };
}

/** Sends so many as there is credit for, and counts what is not settled and what became of the rest. */
function pump({ container }: FakeBroker, total: number) {
  const counts = { sent: 0, unsettled: 0, most: 0, accepted: 0, released: 0 };
  container.on('sendable', ({ sender }: EventContext) => {
    while (sender?.sendable() && counts.sent < total && counts.unsettled < 1000) {
      // What the library has taken it counts down a turn later.
      sender.send(data(`message ${counts.sent}`));
      counts.sent += 1;
      counts.unsettled += 1;
      counts.most = Math.max(counts.most, counts.unsettled);
      if (counts.unsettled >= Number(Reflect.get(sender, 'credit'))) break;
    }
  });
  for (const outcome of ['accepted', 'released'] as const) {
    container.on(outcome, () => {
      counts[outcome] += 1;
      counts.unsettled -= 1;
    });
  }
  return counts;
}

test('one that is accepted and the next one, released in the same turn, are told apart', async (t) => {
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

test('what is settled in one turn is one frame, however much it is', async (t) => {
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

test('no more than the bound is ever unsettled, however it is settled, paused and resumed', async (t) => {
  const { broker, session, deliveries } = await consume(t, { bound: 10 });
  const counts = pump(broker, 400);
  broker.senders[0]?.send(data('the first'));
  let settled = 0;
  await waitFor(
    () => {
      const waiting = deliveries.slice(settled);
      settled = deliveries.length;
      if (settled % 3 === 0) session.pause();
      // From the last to the first, in two turns.
      session.settle(waiting.slice(1).reverse(), 'done');
      session.settle(waiting.slice(0, 1), 'done');
      session.resume();
      return settled >= 401;
    },
    { what: 'all of them', interval: 1 },
  );
  t.true(counts.most <= 10, `${counts.most} were unsettled`);
  t.is(counts.released, 0);
});

test('what is refused is withheld until the session is resumed, and sent again once', async (t) => {
  let room = 20;
  const { broker, session, deliveries } = await consume(t, {
    accept: () => {
      room -= 1;
      return room >= 0;
    },
  });
  const counts = pump(broker, 1000);
  await waitFor(() => room < 0, { what: 'one to be refused' });
  const bounced = () => counts.sent - deliveries.length;
  t.true(bounced() <= 80, 'no more than there was credit for');
  t.is(counts.released, 0);
  room = 1000;
  session.settle(deliveries.slice(0, 20), 'done');
  session.resume();
  await waitFor(() => counts.released > 0 && deliveries.length > 20, { what: 'what follows' });
  t.true(counts.released <= 80);
  // Less is asked for now than what was refused.
  await waitFor(() => counts.unsettled === 15 || undefined, {
    what: 'a window of three quarters of what was taken',
  });
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
  test(`a peer that ${what} ends the session, once, with an error that says so`, async (t) => {
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

for (const [condition, name] of [
  ['amqp:not-found', 'ConfigError'],
  ['amqp:unauthorized-access', 'ConfigError'],
  ['amqp:resource-limit-exceeded', 'NotConnected'],
] as const) {
  test(`a link that is refused with ${condition} is a ${name}`, async (t) => {
    const broker = await startFakeBroker(t);
    broker.container.prependListener('sender_open', ({ sender }: EventContext) => {
      sender?.close({ condition, description: 'not you' });
    });
    const error = await t.throwsAsync(
      make('amqp10', { url: broker.url }, 1).connect(() => true),
      { name },
    );
    t.is(error?.message, `the broker refuses the link to conductor: ${condition}: not you`);
  });
}

test('a wrong password, and a mechanism that is not offered, are configuration errors in one line', async (t) => {
  const broker = await startFakeBroker(t, {
    signsIn: (user, password) => user === 'ä' && password === 'ö:€',
  });
  const connect = (options: object) => make('amqp10', { url: broker.url, ...options }, 1).connect(() => true);
  const wrong = await t.throwsAsync(connect({ user: 'ä', password: 'wrong-password' }), {
    name: 'ConfigError',
  });
  t.is(wrong?.message, 'the broker refuses the credentials (SASL outcome 1)');
  const anonymous = await t.throwsAsync(connect({}), { name: 'ConfigError' });
  t.is(anonymous?.message, 'sasl: the broker offers only PLAIN');
  await t.throwsAsync(connect({ sasl: 'plain' }), { name: 'ConfigError', message: /plain needs a user/ });
  // Beyond ASCII, a character is not a byte.
  await (await connect({ user: 'ä', password: 'ö:€' })).stop(soon());
});

test('a peer that says nothing is given up after connectTimeout', async (t) => {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => server.close());
  const address = server.address();
  const url = `amqp://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`;
  const error = await t.throwsAsync(make('amqp10', { url, connectTimeout: 100 }, 1).connect(() => true));
  t.is(error?.name, 'NotConnected');
  t.is(error?.message, 'no connection within 100 ms (connectTimeout)');
});

test('auth.mode user-id on an old RabbitMQ is warned of', async (t) => {
  for (const [version, warned] of [
    ['3.10.8', true],
    ['3.13.0', false],
    ['4.1.0', false],
  ] as const) {
    const broker = await startFakeBroker(t, { properties: { product: 'RabbitMQ', version } });
    const lines: string[] = [];
    const logger = pino({ base: null }, { write: (line: string) => void lines.push(line) });
    const transport = transportKinds.amqp10
      ?.configure('rabbit', { kind: 'amqp10', url: broker.url, auth: { mode: 'user-id' } })
      .create({ share: { messages: 1, bytes: 1 }, replica: 'test', logger });
    await (await transport?.connect(() => true))?.stop(soon());
    t.is(lines.join().includes('proves nothing'), warned, version);
    const address = version.startsWith('4') ? '/queues/conductor' : '/amq/queue/conductor';
    t.is(broker.senders[0]?.source.address, address);
  }
});

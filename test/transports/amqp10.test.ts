import { createServer } from 'node:net';
import test, { type ExecutionContext } from 'ava';
import { pino } from 'pino';
import rhea, { type EventContext, type Message } from 'rhea';
import type { Delivery } from '../../src/core/transport/contract.ts';
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

for (const [condition, name] of [
  ['amqp:not-found', 'ConfigError'],
  ['amqp:unauthorized-access', 'ConfigError'],
  ['amqp:resource-limit-exceeded', 'NotConnected'],
] as const) {
  test(`a link that is refused with ${condition} is a ${name}`, async (t) => {
    const broker = await startFakeBroker(t, { refusal: { condition, description: 'not you' } });
    const error = await t.throwsAsync(
      make('amqp10', { url: broker.url }, 1).connect(() => true),
      { name },
    );
    t.is(error?.message, `the broker refuses the link to conductor: ${condition}: not you`);
  });
}

test('a wrong password, and an unsupported mechanism, are configuration errors in one line', async (t) => {
  const broker = await startFakeBroker(t, {
    signsIn: (user, password) => user === 'ä' && password === 'ö:€',
  });
  const connect = (options: object) => make('amqp10', { url: broker.url, ...options }, 1).connect(() => true);
  const wrong = await t.throwsAsync(connect({ user: 'ä', password: 'wrong-password' }), {
    name: 'ConfigError',
  });
  t.is(
    wrong?.message,
    'the broker refuses the credentials: look at user, password and passwordFile, or url (SASL outcome 1)',
  );
  const anonymous = await t.throwsAsync(connect({}), { name: 'ConfigError' });
  t.is(anonymous?.message, 'sasl: the broker offers only PLAIN');
  await t.throwsAsync(connect({ sasl: 'plain' }), { name: 'ConfigError', message: /plain needs a user/ });
  // Beyond ASCII, a character is not a byte.
  await (await connect({ user: 'ä', password: 'ö:€' })).stop(soon());
});

test('the session gives up on a silent peer after connectTimeout', async (t) => {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => server.close());
  const address = server.address();
  const url = `amqp://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`;
  const error = await t.throwsAsync(make('amqp10', { url, connectTimeout: 100 }, 1).connect(() => true));
  t.is(error?.name, 'NotConnected');
  t.is(error?.message, 'no connection within 100 ms (connectTimeout)');
});

test('the session warns of auth.mode user-id if the broker does not check the user id', async (t) => {
  for (const [product, version, warning] of [
    ['RabbitMQ', '3.10.8', /over this RabbitMQ/],
    ['RabbitMQ', '3.13.0', undefined],
    ['RabbitMQ', '4.1.0', undefined],
    ['apache-activemq-artemis', '2.55.0', /over this broker, which does not check it/],
    ['ActiveMQ', '6.3.1', /over this broker, which does not check it/],
    ['qpid', '10.1.0', /qpid\.broker_msg_auth is true/],
    ['other', '1.0', undefined],
  ] as const) {
    const broker = await startFakeBroker(t, { properties: { product, version } });
    const lines: string[] = [];
    const logger = pino({ base: null }, { write: (line: string) => void lines.push(line) });
    const transport = transportKinds.amqp10
      ?.configure('rabbit', { kind: 'amqp10', url: broker.url, auth: { mode: 'user-id' } })
      .create({ share: { messages: 1, bytes: 1 }, replica: 'test', logger });
    await (await transport?.connect(() => true))?.stop(soon());
    t.is(lines.length, warning === undefined ? 0 : 1, product);
    if (warning !== undefined) t.regex(lines.join(), warning);
    const rabbitmq = version.startsWith('4') ? '/queues/conductor' : '/amq/queue/conductor';
    t.is(broker.senders[0]?.source.address, product === 'RabbitMQ' ? rabbitmq : 'conductor');
  }
});

const reply = (name: string, correlationId?: string) =>
  ({ to: { kind: 'reply', name }, body: Buffer.from('answer'), correlationId }) as const;

for (const offeredCapabilities of ['ANONYMOUS-RELAY', 'OTHER']) {
  test(`answers to many addresses arrive if the broker offers ${offeredCapabilities}, and few links are kept`, async (t) => {
    const { broker, session } = await consume(t, { offeredCapabilities });
    const got: string[] = [];
    let open = 0;
    broker.container.on('receiver_open', () => {
      open += 1;
    });
    broker.container.on('session_close', () => {
      open -= 1;
    });
    broker.container.on('message', ({ message }: EventContext) => {
      const { to, correlation_id: id, body } = message ?? {};
      got.push(`${to} ${id instanceof Buffer ? id.toString('hex') : id} ${body.content}`);
    });
    for (let number = 0; number < 100; number += 1)
      await session.publish(reply(`r-${number}`, `c-${number}`));
    await session.publish(reply('r-0', `ID:AMQP_UUID:${'00'.repeat(16)}`));
    t.is(got[7], 'r-7 c-7 answer');
    t.is(got[100], `r-0 ${'00'.repeat(16)} answer`);
    const kept = offeredCapabilities === 'ANONYMOUS-RELAY' ? 1 : 64;
    await waitFor(() => open === kept, { what: `${kept} links to be open` });
  });
}

test('an answer without a receiver is done; a refused one, and a notification without a receiver, are undeliverable', async (t) => {
  const { broker, session } = await consume(t, { offeredCapabilities: 'ANONYMOUS-RELAY', autoaccept: false });
  const answers: ((context: EventContext) => void)[] = [];
  broker.container.on('message', (context: EventContext) => answers.shift()?.(context));
  const topic = { to: { kind: 'topic', name: 'notifications' }, body: Buffer.from('x') } as const;
  answers.push(
    ({ delivery }) => delivery?.release(),
    ({ delivery }) => delivery?.release(),
    ({ delivery }) => delivery?.reject({ condition: 'amqp:not-allowed', description: 'too large' }),
  );
  await session.publish(reply('gone'));
  await t.throwsAsync(session.publish(topic), {
    name: 'Undeliverable',
    message: 'nobody is at notifications',
  });
  await t.throwsAsync(session.publish(reply('r')), { name: 'Undeliverable', message: /too large/ });
  const unanswered = session.publish(reply('r'));
  broker.cut();
  await t.throwsAsync(unanswered, { name: 'NotConnected' });
});

import { randomUUID } from 'node:crypto';
import test, { type ExecutionContext } from 'ava';
import { pino } from 'pino';
import rhea, { type EventContext } from 'rhea';
import type { Reply } from '../../src/core/message/request.ts';
import type { Delivery } from '../../src/core/transport/contract.ts';
import { transportKinds } from '../../src/transports/index.ts';
import { make } from '../conformance/subjects/subject.ts';
import { needs, service } from '../support/services.ts';
import { waitFor } from '../support/wait.ts';
import { type FakeOptions, startFakeBroker } from './fake-broker.ts';

const soon = () => AbortSignal.timeout(5000);
const message = { sender: 'i-1', body: Buffer.from('{}'), messageId: 'm-1' };

async function connect(t: ExecutionContext, options: Record<string, unknown>) {
  const replies: Reply[] = [];
  const session = await transportKinds.amqp10
    ?.configure('bus', { kind: 'amqp10', ...options })
    .createSender({ clientName: 'test', logger: pino({ level: 'silent' }) })
    .connect((reply) => replies.push(reply));
  if (session === undefined) throw new Error('amqp10 is not a kind');
  t.teardown(() => session.stop(soon()));
  return { session, replies };
}

async function connectToFake(t: ExecutionContext, options: FakeOptions = {}, settings: object = {}) {
  const broker = await startFakeBroker(t, options);
  return { broker, ...(await connect(t, { url: broker.url, ...settings })) };
}

needs(test, 'rabbitmq')(
  'a call over RabbitMQ gets its answer, and only calls leave a reply queue behind',
  async (t) => {
    const rabbitmq = service('rabbitmq');
    const vhost = `amqp10-${randomUUID()}`;
    const url = await rabbitmq.createVhost(vhost);
    t.teardown(() => rabbitmq.deleteVhost(vhost));
    await rabbitmq.request('PUT', `/queues/${vhost}/conductor`, { durable: true });
    const queues = async () => JSON.stringify(await rabbitmq.request('GET', `/queues/${vhost}`));
    const { session, replies } = await connect(t, { url });
    const deliveries: Delivery[] = [];
    const conductor = await make('amqp10', { url, auth: { mode: 'user-id' } }, 10).connect((delivery) => {
      deliveries.push(delivery);
      return true;
    });
    t.teardown(() => conductor.stop(soon()));

    await session.send(message);
    t.false((await queues()).includes('conductor-reply'));
    const call = { ...message, messageId: 'm-2', correlationId: 'c-2', expiration: 60_000 };
    await session.send({ ...call, replyTo: session.replyTo });
    t.true((await queues()).includes('conductor-reply'));
    await waitFor(() => deliveries.length === 2, { what: 'both' });
    const [cast, called] = deliveries;
    t.like(cast?.meta, { messageId: 'm-1', replyTo: undefined, sender: vhost, senderProof: 'user-id' });
    t.like(called?.meta, { messageId: 'm-2', correlationId: 'c-2', replyTo: session.replyTo });
    t.true((called?.meta.deadline ?? 0) > performance.now() + 30_000);

    const to = { kind: 'reply', name: called?.meta.replyTo ?? '' } as const;
    await conductor.publish({ to, body: Buffer.from('answer'), correlationId: 'c-2' });
    await waitFor(() => replies.length === 1, { what: 'the answer' });
    t.is(replies[0]?.correlationId, 'c-2');
    t.is(String(replies[0]?.body), 'answer');

    // A caller that has gone leaves nothing either.
    await conductor.publish({ to: { kind: 'reply', name: '/queue/gone' }, body: Buffer.from('answer') });
    t.false((await queues()).includes('gone'));
    conductor.settle(deliveries, 'done');
  },
);

test('answers come to an address that the broker makes', async (t) => {
  const { broker, session, replies } = await connectToFake(t);
  t.is(session.replyTo, 'made-for-you');
  const body = rhea.message.data_section(Buffer.from('answer'));
  broker.senders[0]?.send({ body, correlation_id: 'c' });
  await waitFor(() => replies.length === 1, { what: 'the answer' });
  t.is(replies[0]?.correlationId, 'c');
});

test('a broker without dynamic addresses is a configuration error that names the option', async (t) => {
  const broker = await startFakeBroker(t, {
    refusal: { condition: 'amqp:not-implemented', description: 'no dynamic sources' },
  });
  await t.throwsAsync(connect(t, { url: broker.url }), {
    name: 'ConfigError',
    message: /replyAddress.*no dynamic/,
  });
});

test('an accepted message is sent, a refused or released one is undeliverable, and an unanswered one may have arrived', async (t) => {
  const { broker, session } = await connectToFake(t, { autoaccept: false });
  const answers: ((context: EventContext) => void)[] = [
    ({ delivery }) => delivery?.accept(),
    ({ delivery }) => delivery?.release(),
    ({ delivery }) => delivery?.reject({ condition: 'amqp:not-allowed', description: 'too large' }),
  ];
  broker.container.on('message', (context: EventContext) => answers.shift()?.(context));
  await session.send(message);
  await t.throwsAsync(session.send(message), { name: 'Undeliverable', message: 'nobody is at conductor' });
  await t.throwsAsync(session.send(message), { name: 'Undeliverable', message: /too large/ });
  const unanswered = session.send(message);
  broker.cut();
  await t.throwsAsync(unanswered, { name: 'NotConnected' });
  t.is((await session.closed)?.name, 'NotConnected');
  await t.throwsAsync(session.send(message), { name: 'NotConnected' });
});

test('an address may contain the sender, and a stop waits for messages that are under way', async (t) => {
  const { broker, session } = await connectToFake(t, {}, { target: '/exchange/guests/conductor.{sender}' });
  const got: string[] = [];
  broker.container.on('message', ({ receiver, message: { message_id: id } = { body: null } }: EventContext) =>
    got.push(`${receiver?.target.address} ${id}`),
  );
  const sending = ['i-1', 'a/b'].map((sender) => session.send({ ...message, sender }));
  await session.stop(soon());
  await Promise.all(sending);
  t.deepEqual(got.toSorted(), ['/exchange/guests/conductor.a%2Fb m-1', '/exchange/guests/conductor.i-1 m-1']);
  t.is(await session.closed, undefined);
});

test('an answer that cannot be read ends nothing, and later answers arrive', async (t) => {
  const { broker, replies } = await connectToFake(t);
  const [sender] = broker.senders;
  const good = rhea.message.encode({
    correlation_id: 'c',
    body: rhea.message.data_section(Buffer.from('{}')),
  });
  const bad = [
    Buffer.alloc(0),
    Buffer.alloc(50),
    Buffer.from([0, 0x53, 0x73, 0xd0, 255, 255, 255, 255]),
    good.subarray(0, 7),
    good.subarray(0, -1),
    Buffer.from('{}'),
    rhea.message.encode({ body: { a: 1 }, correlation_id: rhea.types.wrap_binary(Buffer.from([255, 0])) }),
    Buffer.concat([good, good]),
  ];
  for (const bytes of bad) for (const each of [bytes, good]) sender?.send(each, undefined, 0);
  await waitFor(() => replies.filter(({ correlationId }) => correlationId === 'c').length >= bad.length, {
    what: 'the good ones',
  });
  t.is(replies.length, bad.length * 2);
});

test('an exception over an answer ends the session with a line', async (t) => {
  const broker = await startFakeBroker(t);
  const session = await transportKinds.amqp10
    ?.configure('bus', { kind: 'amqp10', url: broker.url })
    .createSender({ clientName: 'test', logger: pino({ level: 'silent' }) })
    .connect(() => {
      throw new TypeError('a mistake of ours');
    });
  broker.senders[0]?.send({ body: 'x' });
  const error = await session?.closed;
  t.regex(error?.message ?? '', /closed, .*a mistake of ours/);
});

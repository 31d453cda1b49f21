import { randomUUID } from 'node:crypto';
import test, { type ExecutionContext } from 'ava';
import { pino } from 'pino';
import { soon } from '../../src/conformance/harness.ts';
import { messageOf, NotConnected } from '../../src/core/errors.ts';
import type { Reply } from '../../src/core/message/request.ts';
import type { Delivery } from '../../src/core/transport/contract.ts';
import { transportKinds } from '../../src/transports/index.ts';
import { make } from '../conformance/subjects/subject.ts';
import { field, nested, property, published, table } from '../support/amqp091-bytes.ts';
import { openRaw } from '../support/amqp091-raw.ts';
import { needs, service } from '../support/services.ts';
import { waitFor } from '../support/wait.ts';

const rabbitTest = needs(test, 'rabbitmq');

async function open(t: ExecutionContext) {
  const broker = service('rabbitmq');
  const name = `faults-${randomUUID()}`;
  const url = await broker.createVhost(name);
  t.teardown(() => broker.deleteVhost(name));
  const maker = await make('amqp091', { url }, 1).connect(() => false);
  await maker.stop(soon());
  return { broker, name, url };
}

async function openSender(url: string, receive: (reply: Reply) => void, more: Record<string, unknown> = {}) {
  const configured = transportKinds.amqp091?.configure('amqp091', {
    kind: 'amqp091',
    url,
    codec: 'oslo',
    exchange: 'conductor',
    ...more,
  });
  if (configured === undefined) throw new Error('there is no kind amqp091');
  const logger = pino({ level: 'silent' });
  return configured.createSender({ clientName: 'test', logger }).connect(receive);
}

rabbitTest('amqp091: an exception while a message is received ends the session at once', async (t) => {
  const { url } = await open(t);
  const { raw, close } = await openRaw(url);
  t.teardown(close);
  let ended: Error | undefined | 'not yet' = 'not yet';
  const deliveries: Delivery[] = [];
  const session = await make('amqp091', { url }, 10).connect((delivery) => {
    deliveries.push(delivery);
    if (deliveries.length === 2) throw new Error('a fault of ours');
    return true;
  });
  void session.closed.then((error) => {
    ended = error;
  });
  for (let count = 0; count < 3; count += 1)
    await raw.send(published('conductor', 'conductor.guest', property({}), Buffer.from('{}')));
  await waitFor(() => deliveries.length === 2, { what: 'the second message', interval: 0 });
  // Does nothing on a session that has ended, and never throws.
  t.notThrows(() => session.settle(deliveries, 'done'));
  t.notThrows(() => session.settle(deliveries, 'release'));
  await waitFor(() => ended !== 'not yet', { what: 'the session to end' });
  const error = await session.closed;
  t.true(error instanceof NotConnected);
  t.regex(messageOf(error), /closed after a fault: a fault of ours/);
  t.is(deliveries.length, 2, 'nothing more was handed on');
});

rabbitTest('amqp091: an exception while a reply is received ends the session', async (t) => {
  const { url } = await open(t);
  const session = await openSender(url, () => {
    throw new Error('a fault of ours');
  });
  const { raw, close } = await openRaw(url);
  await raw.send(published('', String(session.replyTo), property({}), Buffer.from('{}')));
  await raw.confirmed();
  await close();
  const error = await session.closed;
  t.true(error instanceof NotConnected);
  t.regex(messageOf(error), /closed after a fault: a fault of ours/);
});

rabbitTest('amqp091: no properties of a reply end the connection', async (t) => {
  const { url } = await open(t);
  const replies: Reply[] = [];
  const session = await openSender(url, (reply) => replies.push(reply));
  const headers = table(field('ts', 'L', Buffer.alloc(8, 1)), field('f', 'F', nested(4000)));
  const correlationId = Buffer.from('the call');
  const { raw, close } = await openRaw(url);
  await raw.send(
    published('', String(session.replyTo), property({ headers, correlationId }), Buffer.from('{}')),
  );
  await raw.confirmed();
  await waitFor(() => replies.length === 1, { what: 'the reply' });
  t.is(replies[0]?.correlationId, 'the call');
  await close();
  await session.stop(soon());
  t.is(await session.closed, undefined);
});

rabbitTest('amqp091: a sender names the user of the address that it is connected to', async (t) => {
  const { url } = await open(t);
  const { port } = new URL(url);
  const list = `amqp://nobody:wrong@127.0.0.1:1,amqp://nobody:wrong@127.0.0.1:${port},${url}`;
  const options = { auth: { mode: 'user-id' }, codec: 'native' };
  const sender = await openSender(list, () => {}, options);
  t.teardown(() => sender.stop(soon()));
  const deliveries: Delivery[] = [];
  const session = await make('amqp091', { url, ...options }, 10).connect(
    (delivery) => deliveries.push(delivery) > 0,
  );
  t.teardown(() => session.stop(soon()));
  await sender.send({ sender: 'guest', body: Buffer.from('{}'), messageId: 'one' });
  await waitFor(() => deliveries.length === 1, { what: 'the message' });
  t.like(deliveries[0]?.meta, { sender: decodeURIComponent(new URL(url).username), senderProof: 'user-id' });
  session.settle(deliveries, 'done');
});

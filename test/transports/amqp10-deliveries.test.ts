import { createServer } from 'node:net';
import test, { type ExecutionContext } from 'ava';
import type { Delivery } from '../../src/core/transport/contract.ts';
import { encodeMessage } from '../../src/transports/amqp10/publish.ts';
import { make } from '../conformance/subjects/subject.ts';
import { waitFor } from '../support/wait.ts';
import { transfer } from './amqp10-frames.ts';
import { startFakeBroker } from './fake-broker.ts';

/** Deliveries that are unlike others, and what is thrown while they are read. */

const soon = () => AbortSignal.timeout(5000);
const message = (text: string) => encodeMessage({ body: Buffer.from(text) });

async function consume(t: ExecutionContext, bound: number, deliver?: (delivery: Delivery) => boolean) {
  const broker = await startFakeBroker(t);
  const deliveries: Delivery[] = [];
  const keep = (delivery: Delivery) => deliveries.push(delivery) > 0;
  const session = await make('amqp10', { url: broker.url }, bound).connect(deliver ?? keep);
  t.teardown(() => session.stop(soon()));
  const write = (...transfers: Buffer[]) => {
    for (const socket of broker.sockets) socket.write(Buffer.concat(transfers));
  };
  const bodies = () => deliveries.map(({ body }) => Buffer.from(body).toString());
  return { broker, deliveries, session, write, bodies };
}

test('an aborted delivery is dropped, and its credit is given again', async (t) => {
  const { session, write, deliveries, bodies } = await consume(t, 4);
  const half = message('half').subarray(0, -2);
  let id = 0;
  for (let round = 0; round < 10; round += 1) {
    write(
      transfer({ id, payload: half, more: true }),
      transfer({ aborted: true, more: true }),
      transfer({ id: id + 1, payload: half, aborted: true }),
      transfer({ id: id + 2, payload: message(`whole ${round}`) }),
    );
    id += 3;
    await waitFor(() => deliveries.length === round + 1, { what: 'the one behind them' });
    session.settle(deliveries.slice(-1), 'done');
  }
  t.deepEqual(
    bodies(),
    Array.from({ length: 10 }, (_, round) => `whole ${round}`),
  );
});

test('delivery numbers wrap around', async (t) => {
  const { broker, session, write, deliveries, bodies } = await consume(t, 10);
  const last = 2 ** 32 - 1;
  write(
    transfer({ id: last - 1, payload: message('a') }),
    transfer({ id: last, payload: message('b').subarray(0, 20), more: true }),
    transfer({ payload: message('b').subarray(20) }),
    transfer({ id: 0, payload: message('c') }),
    transfer({ id: 1, payload: message('d') }),
  );
  await waitFor(() => deliveries.length === 4, { what: 'all four' });
  t.deepEqual(bodies(), ['a', 'b', 'c', 'd']);
  session.settle(deliveries, 'done');
  await session.stop(soon());
  t.is(broker.connections[0]?.error, undefined);
});

test('a message without bytes is delivered', async (t) => {
  const { write, bodies, deliveries } = await consume(t, 10);
  write(
    transfer({ id: 0 }),
    transfer({ id: 1, more: true }),
    transfer({ payload: message('x') }),
    transfer({ id: 2, payload: message('y') }),
  );
  await waitFor(() => deliveries.length === 3, { what: 'all three' });
  t.deepEqual(bodies(), ['', 'x', 'y']);
});

test('an unsettled delivery keeps no other delivery in memory', async (t) => {
  const bound = 20;
  const { broker, session, deliveries } = await consume(t, bound);
  // The sending side keeps a ring too, of 2,048.
  const total = bound * 100;
  let accepted = 0;
  let sent = 0;
  broker.container.on('accepted', () => {
    accepted += 1;
  });
  const [sender] = broker.senders;
  const body = message('x');
  const offer = () => {
    for (; sent < total && sender?.sendable(); sent += 1) sender.send(body, undefined, 0);
  };
  broker.container.on('sendable', offer);
  offer();
  let settled = 1;
  const from = performance.now();
  await waitFor(
    () => {
      session.settle(deliveries.slice(settled), 'done');
      settled = Math.max(1, deliveries.length);
      return accepted === total - 1;
    },
    { what: 'all others to be accepted', interval: 1 },
  );
  const took = performance.now() - from;
  t.true(
    took < 3000,
    `${Math.round(took)} ms: nothing waits for the second after which what is behind it is accepted`,
  );
  session.settle(deliveries.slice(0, 1), 'done');
  await waitFor(() => accepted === total, { what: 'the first one' });
});

test('a delivery is settled once, for any number of requests', async (t) => {
  const { broker, session, deliveries } = await consume(t, 10);
  const outcomes: string[] = [];
  for (const outcome of ['accepted', 'released']) broker.container.on(outcome, () => outcomes.push(outcome));
  for (const text of ['a', 'b', 'c']) broker.senders[0]?.send(message(text), undefined, 0);
  await waitFor(() => deliveries.length === 3, { what: 'three' });
  const [first, ...others] = deliveries;
  for (const settlement of ['done', 'done', 'release'] as const) session.settle(others, settlement);
  if (first !== undefined) session.settle([first], 'done');
  session.settle(deliveries, 'done');
  session.settle(deliveries, 'release');
  await session.stop(soon());
  t.deepEqual(outcomes, ['accepted', 'accepted', 'accepted']);
});

test('an exception while a message is read ends the session with a line', async (t) => {
  const { session, write } = await consume(t, 10, () => {
    throw new TypeError('a mistake of ours');
  });
  write(transfer({ id: 0, payload: message('x') }));
  const error = await session.closed;
  t.is(error?.name, 'NotConnected');
  t.regex(error?.message ?? '', /^the connection was closed, .*: a mistake of ours$/);
});

test('an exception during a write ends the session with a line', async (t) => {
  const { broker, session, deliveries } = await consume(t, 10);
  broker.senders[0]?.send(message('x'), undefined, 0);
  await waitFor(() => deliveries.length === 1, { what: 'one' });
  const library: unknown = Reflect.get(session, 'session');
  if (typeof library !== 'object' || library === null) throw new TypeError('the session of the library');
  Reflect.set(library, '_process', () => {
    throw new TypeError('a mistake of the library');
  });
  // A flow frame, which the library writes in a turn of its own.
  session.pause();
  const error = await session.closed;
  t.regex(error?.message ?? '', /^writing to the broker failed: /);
});

test('a transfer that does not continue the previous one ends the session with a line', async (t) => {
  const { session, write } = await consume(t, 10);
  write(transfer({ id: 5, payload: message('x') }), transfer({ id: 9, payload: message('y') }));
  const error = await session.closed;
  t.regex(error?.message ?? '', /^the connection was closed, .*expected 6, got 9$/);
});

test("the link's source asks for the capability queue", async (t) => {
  const { broker } = await consume(t, 10);
  t.deepEqual(String(broker.senders[0]?.source.capabilities), 'queue');
});

for (const [what, greeting] of [
  ['NATS', 'INFO {"server_id":"x"}\r\n'],
  ['HTTP', 'HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n'],
  ['AMQP 0-9-1 alone', 'AMQP\0\0\u0009\u0001'],
  ['MQTT', ''],
] as const) {
  test(`the error for a port that speaks ${what} names that protocol`, async (t) => {
    const server = createServer((socket) => {
      socket.on('error', () => {});
      socket.once('data', () => socket.end(greeting, 'latin1'));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    t.teardown(() => server.close());
    const address = server.address();
    const url = `amqp://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`;
    const error = await t.throwsAsync(make('amqp10', { url }, 1).connect(() => true));
    t.is(error?.name, 'NotConnected');
    t.regex(error?.message ?? '', /AMQP 1\.0/);
    t.regex(error?.message ?? '', /\bport\b/);
  });
}

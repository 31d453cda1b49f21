import { randomUUID } from 'node:crypto';
import { jetstream } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import ava from 'ava';
import { pino } from 'pino';
import type { Delivery } from '../../src/core/transport/contract.ts';
import { type Nats, startNats } from '../support/nats.ts';
import { needs, service } from '../support/services.ts';
import { waitFor } from '../support/wait.ts';
import { blockOf, connectRaw } from './nats-raw.ts';
import { arrive, configure, soon } from './nats-support.ts';

const test = needs(ava, 'nats');
const mebibyte = 2 ** 20;

interface Test {
  teardown(end: () => Promise<unknown>): void;
}

interface Pull {
  readonly batch: number;
  readonly max_bytes?: number;
}

/** A session with so much room, what it has, and each pull with what was held when the server had it. */
async function pulling(t: Test, { url }: Nats, share: { messages: number; bytes: number }) {
  const id = randomUUID();
  const broker = await connect({ servers: url, reconnect: false });
  const stream = jetstream(broker);
  t.teardown(async () => {
    await (await stream.jetstreamManager()).streams.delete(id);
    await broker.close();
  });
  const pulls: Pull[] = [];
  const inboxes: string[] = [];
  broker.subscribe(`$JS.API.CONSUMER.MSG.NEXT.${id}.conductor`, {
    callback: (_, message) => {
      pulls.push(message.json<Pull>());
      inboxes.push(message.reply ?? '');
    },
  });
  await broker.flush();
  const deliveries: Delivery[] = [];
  const subject = `pull.${id}.*`;
  const session = await configure({ url, stream: id, subject })
    .create({ share, replica: 'test', logger: pino({ level: 'silent' }) })
    .connect((delivery) => deliveries.push(delivery) > 0);
  t.teardown(() => session.stop(soon()));
  return {
    subject: `pull.${id}.guest`,
    session,
    deliveries,
    pulls,
    inboxes,
    publish: (size: number) => stream.publish(`pull.${id}.guest`, Buffer.alloc(size)),
  };
}

test('a pull asks for at most 8 MiB, and the next pull for the rest of the room', async (t) => {
  const room = { messages: 100, bytes: 32 * mebibyte };
  const { session, deliveries, pulls, publish } = await pulling(t, service('nats'), room);
  for (let number = 0; number < 30; number += 1) await publish(1_000_000);
  await arrive(deliveries, 30);
  t.true(pulls.length > 3);
  for (const { batch, max_bytes } of pulls) {
    t.true(max_bytes !== undefined && max_bytes <= 8 * mebibyte, `${max_bytes} bytes`);
    t.true(batch <= room.messages, `${batch} messages`);
  }
  session.settle(deliveries, 'done');
});

test('a message above 8 MiB arrives while others are held, if there is room for it', async (t) => {
  const server = await startNats({ settings: ['max_payload: 20MB'] });
  t.teardown(server.kill);
  const { session, deliveries, publish } = await pulling(t, server, {
    messages: 100,
    bytes: 40 * mebibyte,
  });
  await publish(1000);
  await arrive(deliveries, 1);
  await publish(10 * mebibyte);
  await publish(2000);
  await arrive(deliveries, 3);
  t.deepEqual(
    deliveries.map(({ body }) => body.length),
    [1000, 10 * mebibyte, 2000],
  );
  session.settle(deliveries, 'done');
  await session.stop(soon());
});

test('a header block counts as room like a body', async (t) => {
  const room = { messages: 100, bytes: 200_000 };
  const { subject, session, deliveries } = await pulling(t, service('nats'), room);
  const client = await connectRaw();
  t.teardown(async () => client.end());
  const block = blockOf(`X-A: ${'a'.repeat(60_000)}`);
  for (let number = 0; number < 10; number += 1) client.publish(subject, Buffer.from('x'), block);
  await client.flush();
  await arrive(deliveries, 3);
  for (let taken = 3; taken < 10; taken += 1) {
    session.settle(deliveries.slice(taken - 3, taken - 2), 'done');
    await arrive(deliveries, taken + 1);
    t.is(deliveries.length, taken + 1, 'three are held');
  }
  session.settle(deliveries.slice(-3), 'done');
});

test('core NATS: a message keeps its body, and not its header block', async (t) => {
  const id = randomUUID();
  const deliveries: Delivery[] = [];
  const session = await configure({ url: service('nats').url, subject: `core.${id}`, jetstream: false })
    .create({ share: { messages: 10, bytes: 1000 }, replica: 'test', logger: pino({ level: 'silent' }) })
    .connect((delivery) => deliveries.push(delivery) > 0);
  t.teardown(() => session.stop(soon()));
  const client = await connectRaw();
  t.teardown(async () => client.end());
  client.publish(`core.${id}`, Buffer.from('body'), blockOf(`X-A: ${'a'.repeat(300_000)}`));
  await arrive(deliveries, 1);
  const [{ body } = { body: Buffer.alloc(0) }] = deliveries;
  t.is(Buffer.from(body).toString(), 'body');
  t.true(body.buffer.byteLength < 100_000, `${body.buffer.byteLength} bytes`);
});

test('messages that arrive after the end of their pull are expected, and count as room', async (t) => {
  const room = { messages: 10, bytes: mebibyte };
  const { deliveries, pulls, inboxes, publish } = await pulling(t, service('nats'), room);
  await waitFor(() => inboxes.length > 0, { what: 'the first pull' });
  const raw = await connectRaw();
  t.teardown(raw.end);
  // As the leader of three servers says it, while the messages wait for a majority.
  const end = 'NATS/1.0 409 Batch Completed\r\nNats-Pending-Messages: 8\r\nNats-Pending-Bytes: 0\r\n\r\n';
  raw.publish(inboxes[0] ?? '', Buffer.alloc(0), Buffer.from(end));
  await raw.flush();
  for (let number = 0; number < 2; number += 1) await publish(10);
  await arrive(deliveries, 2);
  await waitFor(() => pulls.length > 1, { what: 'the next pull' });
  t.deepEqual(
    pulls.map(({ batch }) => batch),
    [10, 8],
  );
});

for (const [name, deadline] of [
  ['has passed before it stops', () => AbortSignal.abort()],
  ['passes while it drains', () => AbortSignal.timeout(1)],
] as const) {
  test(`a session whose deadline ${name} gives back what it holds and what is under way`, async (t) => {
    const room = { messages: 500, bytes: 32 * mebibyte };
    const { subject, session, deliveries, publish } = await pulling(t, service('nats'), room);
    const published = Promise.all(Array.from({ length: 200 }, () => publish(50_000)));
    await arrive(deliveries, 1);
    const stopping = performance.now();
    await session.stop(deadline());
    // A session closes its connection half a second after its deadline. On a busy machine that is too early to give all back.
    const isWhole = performance.now() - stopping < 500;
    await published;
    const stream = subject.split('.')[1];
    const next: Delivery[] = [];
    const other = await configure({ url: service('nats').url, stream, subject: `pull.${stream}.*` })
      .create({ share: room, replica: 'other', logger: pino({ level: 'silent' }) })
      .connect((delivery) => next.push(delivery) > 0);
    t.teardown(() => other.stop(soon()));
    // Well before `ack_wait`, which is 10 s.
    await arrive(next, 200, isWhole ? 6000 : 20_000);
    t.is(next.length, 200);
    other.settle(next, 'done');
  });
}

import test from 'ava';
import { pino } from 'pino';
import { simulate, summaryOf } from '../../src/client/fleet.ts';
import { transportKinds } from '../../src/transports/index.ts';
import { waitFor } from '../support/wait.ts';
import { connectTo, FakeSender, type Sent } from './fake-sender.ts';

/** The heartbeats of a guest, as often as the conductor asks for. */

const bodyOf = ({ text }: Sent) => JSON.parse(text);
const named = (sender: FakeSender, method: string) =>
  sender.sent.find((one) => bodyOf(one).method === method);

/** Waits for a message of this method, confirms it, and returns its body. */
async function take(sender: FakeSender, method: string, answer?: object) {
  const sent = await waitFor(() => named(sender, method), { what: `a ${method}`, interval: 1 });
  sent.confirm();
  if (answer !== undefined)
    sender.receive({
      correlationId: sent.message.correlationId,
      body: Buffer.from(JSON.stringify(answer)),
    });
  return bodyOf(sent);
}

/** Confirms all that is not answered, so that the client can close at once. */
function confirmAll(sender: FakeSender): void {
  for (const one of [...sender.sent]) one.confirm();
}

test('the first heartbeat leaves at once, further ones as often as the conductor says, each with the status of its time', async (t) => {
  const sender = new FakeSender();
  const client = await connectTo(t, sender);
  let word: 'building' | 'running' = 'building';
  const heartbeats = client.heartbeats({ status: () => word, fallback: 3600 });
  t.like(await take(sender, 'heartbeat'), {
    args: { instance_id: 'i1', payload: { service_status: 'building' } },
  });
  word = 'running';
  t.is(heartbeats.interval, 3600);
  await take(sender, 'heartbeat_interval', { result: { interval: 0.02, next: 0.03 } });
  const begin = performance.now();
  t.like(await take(sender, 'heartbeat'), { args: { payload: { service_status: 'running' } } });
  // The second one waits for one to two intervals.
  t.true(performance.now() - begin >= 19);
  await take(sender, 'heartbeat');
  t.is(heartbeats.interval, 0.02);
  heartbeats.stop();
  confirmAll(sender);
});

test('the conductor is asked anew after some heartbeats', async (t) => {
  const sender = new FakeSender();
  const client = await connectTo(t, sender);
  const heartbeats = client.heartbeats({ status: () => undefined });
  const first = take(sender, 'heartbeat_interval', { result: { interval: 0.001, next: 0.001 } });
  for (let count = 0; count < 20; count += 1) t.deepEqual((await take(sender, 'heartbeat')).args.payload, {});
  await first;
  await take(sender, 'heartbeat_interval', { result: { interval: 7, next: 8 } });
  await waitFor(() => heartbeats.interval === 7, { what: 'the new interval', interval: 1 });
  heartbeats.stop();
  confirmAll(sender);
  t.pass();
});

test('without an answer, or with one that makes no sense, the heartbeats go on and the error is told', async (t) => {
  for (const [answer, message] of [
    [{ error: { class: 'Busy', message: 'later' } }, /later/],
    [{ result: { interval: -1, next: 0 } }, /an interval of -1 s/],
    [{ result: { pong: true } }, /not in its form/],
  ] as const) {
    const sender = new FakeSender();
    const client = await connectTo(t, sender);
    const errors: unknown[] = [];
    const heartbeats = client.heartbeats({
      status: () => 'running',
      fallback: 0.01,
      onError: (error) => errors.push(error),
    });
    await take(sender, 'heartbeat');
    await take(sender, 'heartbeat_interval', answer);
    await take(sender, 'heartbeat');
    await take(sender, 'heartbeat');
    heartbeats.stop();
    confirmAll(sender);
    t.is(errors.length, 1);
    t.regex(String(errors[0]), message);
  }
});

test('heartbeats end with stop, and with the client, and no error is told of it', async (t) => {
  for (const how of ['stop', 'close'] as const) {
    const sender = new FakeSender();
    const client = await connectTo(t, sender);
    const errors: unknown[] = [];
    let asked = 0;
    const heartbeats = client.heartbeats({
      status: () => {
        asked += 1;
        return 'running';
      },
      onError: (error) => errors.push(error),
    });
    await take(sender, 'heartbeat');
    await take(sender, 'heartbeat_interval', { result: { interval: 0.001, next: 0.001 } });
    await waitFor(() => named(sender, 'heartbeat'), { what: 'the second heartbeat', interval: 1 });
    if (how === 'stop') heartbeats.stop();
    const closed = how === 'close' ? client.close() : undefined;
    confirmAll(sender);
    await closed;
    const before = asked;
    // A loop that had not ended would have sent several by now.
    const begin = performance.now();
    await waitFor(() => performance.now() - begin > 30, { what: 'thirty intervals', interval: 5 });
    t.is(asked, before, how);
    t.deepEqual(errors, [], how);
  }
});

test('without a connection heartbeats replace each other, and the newest leaves with the next connection', async (t) => {
  const sender = new FakeSender();
  const client = await connectTo(t, sender);
  let count = 0;
  const words = ['new', 'building'] as const;
  const heartbeats = client.heartbeats({ status: () => words[count++] ?? 'running', fallback: 0.005 });
  await take(sender, 'heartbeat');
  const question = await waitFor(() => named(sender, 'heartbeat_interval'), { what: 'the question' });
  question.confirm();
  sender.refusal = new Error('away');
  sender.session?.break();
  await waitFor(() => count > 10, { what: 'ten heartbeats', interval: 1 });
  t.is(client.buffered, 1);
  heartbeats.stop();
  sender.refusal = undefined;
  t.like(await take(sender, 'heartbeat'), { args: { payload: { service_status: 'running' } } });
});

test('a simulated fleet that is paced sends as often as the conductor says', async (t) => {
  const sender = new FakeSender();
  const configured = transportKinds.amqp091?.configure('fake', { kind: 'amqp091', url: 'amqp://fake' });
  if (configured === undefined) throw new Error('amqp091 is not a kind');
  const over = new AbortController();
  const fleet = simulate({
    ...{ guests: 2, interval: 3600, jitter: 0, die: 0, prefix: 'g', connections: 1, seconds: undefined },
    paced: true,
    transport: { ...configured, createSender: () => sender },
    interrupted: over.signal,
    logger: pino({ level: 'silent' }),
    print: () => {},
  });
  await take(sender, 'heartbeat_interval', { result: { interval: 0.02, next: 0.03 } });
  const guests = new Set<unknown>();
  for (let count = 0; count < 6; count += 1) guests.add((await take(sender, 'heartbeat')).args.instance_id);
  t.deepEqual([...guests].toSorted(), ['g1', 'g2']);
  over.abort();
  confirmAll(sender);
  const report = await fleet;
  t.like(report, { guests: 2, interval: 0.02, transport: 'fake' });
  t.regex(summaryOf(report), /^2 guests at 0\.02 s on fake for /);
});

test('each guest that is to fall silent does so in a run, also if the machine is too busy to see it at once', async (t) => {
  const sender = new FakeSender();
  const configured = transportKinds.amqp091?.configure('fake', { kind: 'amqp091', url: 'amqp://fake' });
  if (configured === undefined) throw new Error('amqp091 is not a kind');
  const fleet = simulate({
    ...{ guests: 20, interval: 3600, jitter: 0, die: 1, prefix: 'g', connections: 1, seconds: 0.2 },
    paced: false,
    transport: { ...configured, createSender: () => sender },
    interrupted: new AbortController().signal,
    logger: pino({ level: 'silent' }),
    print: () => {},
  });
  await take(sender, 'heartbeat');
  const begin = performance.now();
  while (performance.now() - begin < 300);
  const confirming = setInterval(() => confirmAll(sender), 1);
  t.teardown(() => clearInterval(confirming));
  t.like(await fleet, { guests: 20, died: 20 });
});

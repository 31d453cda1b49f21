import test from 'ava';
import { BufferFull } from '../../src/client/errors.ts';
import { ConfigError, NotConnected, Rejected, Undeliverable } from '../../src/core/errors.ts';
import { waitFor } from '../support/wait.ts';
import { connectTo, FakeSender, type Sent } from './fake-sender.ts';

/** What a heartbeat says, or the method of anything else. */
function said({ text }: Sent): unknown {
  const { method, args } = JSON.parse(text);
  return method === 'heartbeat' ? args.payload.service_status : method;
}

const beat = (service_status: 'running' | 'healthy' | 'crashed') => ({ payload: { service_status } });

test('a cast resolves once the broker has confirmed it', async (t) => {
  const sender = new FakeSender();
  const client = await connectTo(t, sender);
  let resolved = false;
  const cast = client.cast('heartbeat', beat('running')).then((result) => {
    resolved = true;
    return result;
  });
  const [sent] = await sender.has(1);
  t.false(resolved);
  t.is(client.buffered, 1);
  sent?.confirm();
  t.is(await cast, 'sent');
  t.is(client.buffered, 0);
});

test('the client sets instance_id, sent, message id and sender where they are missing, and keeps given ones', async (t) => {
  const sender = new FakeSender();
  const client = await connectTo(t, sender, { now: () => 1_795_397_690_635 });
  void client.cast('heartbeat', beat('running'));
  void client.cast(
    'update_backup',
    { instance_id: 'i2', backup_id: 'b1', sent: 5 },
    { messageId: 'm1', sender: 'i2' },
  );
  void client.cast('report_root', {});
  void client.cast('anything', { instance: 'x' });
  const sent = await sender.has(4);
  const args = sent.map(({ text }) => JSON.parse(text).args);
  t.deepEqual(args[0], {
    instance_id: 'i1',
    sent: 1_795_397_690.635,
    payload: { service_status: 'running' },
  });
  t.deepEqual(args[1], { instance_id: 'i2', backup_id: 'b1', sent: 5 });
  t.deepEqual(args[2], { instance_id: 'i1' });
  t.deepEqual(args[3], { instance: 'x' });
  t.deepEqual(
    sent.map(({ message }) => message.sender),
    ['i1', 'i2', 'i1', 'i1'],
  );
  const ids = sent.map(({ message }) => message.messageId);
  t.is(ids[1], 'm1');
  t.is(new Set(ids).size, 4);
  for (const one of [...sent]) one.confirm();
});

test('casts without a connection wait: only the newest heartbeat, and all others in order', async (t) => {
  const sender = new FakeSender();
  sender.refusal = new NotConnected('nobody there');
  const client = await connectTo(t, sender);
  t.is(client.lastError, 'nobody there');
  const casts = [
    client.cast('heartbeat', beat('running')),
    client.cast('first', {}),
    client.cast('heartbeat', beat('healthy')),
    client.cast('second', {}),
    client.cast('heartbeat', { instance_id: 'i2', ...beat('running') }),
    client.cast('heartbeat', beat('crashed')),
    client.cast('third', {}),
  ];
  // At once: it will never be sent.
  t.is(await casts[0], 'superseded');
  t.is(client.buffered, 5);
  sender.refusal = undefined;
  const sent = await sender.has(5);
  t.deepEqual(sent.map(said), ['first', 'second', 'running', 'crashed', 'third']);
  t.is(client.state, 'connected');
  for (const one of [...sent]) one.confirm();
  t.deepEqual(await Promise.all(casts), ['superseded', 'sent', 'superseded', 'sent', 'sent', 'sent', 'sent']);
});

test('casts that were unconfirmed when the connection broke are sent again in order, except a heartbeat with a newer one waiting', async (t) => {
  const sender = new FakeSender();
  const client = await connectTo(t, sender);
  const casts = [
    client.cast('heartbeat', beat('running')),
    client.cast('first', {}),
    client.cast('second', {}),
  ];
  const [, first] = await sender.has(3);
  const id = first?.message.messageId;
  sender.session?.break();
  casts.push(client.cast('heartbeat', beat('healthy')));
  const sent = await sender.has(3);
  t.deepEqual(sent.map(said), ['first', 'second', 'healthy']);
  t.is(sent[0]?.message.messageId, id);
  for (const one of [...sent]) one.confirm();
  t.deepEqual(await Promise.all(casts), ['superseded', 'sent', 'sent', 'sent']);
});

test('at most maxInFlight casts are unconfirmed at once', async (t) => {
  const sender = new FakeSender();
  const client = await connectTo(t, sender, { maxInFlight: 2 });
  const casts = ['a', 'b', 'c', 'd', 'e'].map((method) => client.cast(method, {}));
  for (let left = 5; left > 0; left -= 1) {
    const sent = await sender.has(Math.min(left, 2));
    sent[0]?.confirm();
  }
  t.deepEqual(await Promise.all(casts), Array(5).fill('sent'));
});

test('a cast beyond maxBuffered is refused, and a later one is taken once there is room', async (t) => {
  const sender = new FakeSender();
  const client = await connectTo(t, sender, { maxBuffered: 2, maxInFlight: 1 });
  const casts = [client.cast('a', {}), client.cast('b', {})];
  const error = await t.throwsAsync(client.cast('c', {}), { instanceOf: BufferFull });
  t.is(error.message, '2 messages wait for the broker already; this one was not taken');
  (await sender.has(1))[0]?.confirm();
  await casts[0];
  casts.push(client.cast('c', {}));
  for (const _ of ['b', 'c']) (await sender.has(1))[0]?.confirm();
  t.deepEqual(await Promise.all(casts), ['sent', 'sent', 'sent']);
});

test('a cast that the broker refuses rejects, and affects no other cast', async (t) => {
  const sender = new FakeSender();
  const client = await connectTo(t, sender);
  const [bad, good] = [client.cast('bad', {}), client.cast('good', {})];
  const [first, second] = await sender.has(2);
  first?.refuse(new Undeliverable('nobody listens'));
  await t.throwsAsync(bad, { instanceOf: Undeliverable, message: 'nobody listens' });
  second?.confirm();
  t.is(await good, 'sent');
});

test('an aborted cast no longer waits', async (t) => {
  const sender = new FakeSender();
  sender.refusal = new NotConnected('nobody there');
  const client = await connectTo(t, sender);
  const controller = new AbortController();
  const cast = client.cast('a', {}, { signal: controller.signal });
  const reason = new Error('no longer needed');
  controller.abort(reason);
  t.is(await t.throwsAsync(cast), reason);
  t.is(client.buffered, 0);
  t.is(await t.throwsAsync(client.cast('b', {}, { signal: controller.signal })), reason);
});

test('a cast that can never be applied is refused at once, and the error names the argument', async (t) => {
  const client = await connectTo(t, new FakeSender(), { maxBody: 200 });
  const circular: Record<string, unknown> = {};
  circular.self = circular;
  for (const [args, reason, message] of [
    [{ text: 'a\0b' }, 'bad_argument', 'args.text holds a NUL character'],
    [{ number: 1n }, 'bad_argument', /^args cannot be written as JSON/],
    [circular, 'bad_argument', /nested more than 32 levels deep$/],
    [{ text: 'x'.repeat(300) }, 'too_large', /^the body has 3\d\d bytes, more than 200$/],
  ] as const) {
    const error = await t.throwsAsync(client.cast('a', { ...args }), { instanceOf: Rejected, message });
    t.is(error.reason, reason);
  }
  const notObject: unknown = [1];
  const odd: { cast(method: string, args: unknown): Promise<unknown> } = client;
  await t.throwsAsync(odd.cast('a', notObject), { message: 'args is an array, not an object' });
});

test('a wrong option or sender is refused, and the error names it', async (t) => {
  for (const [options, message] of [
    [{ sender: '' }, /^sender: must be a text of 1 to 255/],
    [{ sender: 'a.b' }, /^sender: /],
    [{ sender: 'a/b' }, /^sender: /],
    [{ maxBuffered: 0 }, /^maxBuffered: must be a whole number above 0, not 0$/],
    [{ maxInFlight: 1.5 }, /^maxInFlight: /],
  ] as const) {
    await t.throwsAsync(connectTo(t, new FakeSender(), options), { instanceOf: ConfigError, message });
  }
  const client = await connectTo(t, new FakeSender());
  await t.throwsAsync(client.cast('a', {}, { sender: 'a#' }), { instanceOf: ConfigError });
});

test('the first attempt rejects if the configuration is wrong; later attempts are repeated', async (t) => {
  const sender = new FakeSender();
  sender.refusal = new ConfigError('wrong password');
  await t.throwsAsync(connectTo(t, sender), { instanceOf: ConfigError, message: 'wrong password' });
  sender.refusal = undefined;
  const client = await connectTo(t, sender);
  sender.refusal = new ConfigError('wrong password');
  sender.session?.break();
  const { attempts } = sender;
  await waitFor(() => sender.attempts > attempts + 2, { what: 'more attempts' });
  t.is(client.lastError, 'wrong password');
  sender.refusal = undefined;
  await waitFor(() => client.state === 'connected', { what: 'a connection' });
});

test('close waits for unconfirmed and waiting casts, then the client takes no more', async (t) => {
  const sender = new FakeSender();
  const client = await connectTo(t, sender, { maxInFlight: 1 });
  const casts = [client.cast('a', {}), client.cast('b', {})];
  let closed = false;
  const closing = client.close().then(() => {
    closed = true;
  });
  await t.throwsAsync(client.cast('c', {}), { instanceOf: NotConnected, message: 'the client is closed' });
  for (const _ of casts) {
    t.false(closed);
    (await sender.has(1))[0]?.confirm();
  }
  t.deepEqual(await Promise.all(casts), ['sent', 'sent']);
  await closing;
  t.is(client.state, 'closed');
  await client.close();
});

test('a cast that is not confirmed by the deadline of close rejects, and the error says so', async (t) => {
  const sender = new FakeSender();
  const client = await connectTo(t, sender, { maxInFlight: 1 });
  const casts = [client.cast('a', {}), client.cast('b', {})].map((cast) => t.throwsAsync(cast));
  const call = t.throwsAsync(client.call('c', {}));
  await sender.has(2);
  await client.close({ deadline: 10 });
  const errors = await Promise.all([...casts, call]);
  t.deepEqual(
    errors.map((error) => error?.message),
    [
      'the client was closed before the broker had answered: stopped',
      'the client was closed before the message was sent',
      'the client was closed before the call was answered',
    ],
  );
  for (const error of errors) t.true(error instanceof NotConnected);
});

test('a client that never had a connection closes by its deadline', async (t) => {
  const sender = new FakeSender();
  sender.refusal = new NotConnected('nobody there');
  const client = await connectTo(t, sender);
  const cast = t.throwsAsync(client.cast('a', {}));
  await client.close({ deadline: 10 });
  t.is((await cast)?.message, 'the client was closed before the message was sent (nobody there)');
  t.is(client.state, 'closed');
});

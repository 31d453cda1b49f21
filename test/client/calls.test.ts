import test from 'ava';
import { BufferFull, CallTimeout, RemoteError } from '../../src/client/errors.ts';
import { NotConnected, Undeliverable } from '../../src/core/errors.ts';
import { connectTo, FakeSender, type Sent } from './fake-sender.ts';

function answer(sender: FakeSender, { message }: Sent, reply: object): void {
  sender.receive({ correlationId: message.correlationId, body: Buffer.from(JSON.stringify(reply)) });
}

test("a call resolves with the result, before or after the broker's confirm", async (t) => {
  const sender = new FakeSender();
  const client = await connectTo(t, sender);
  for (const confirmFirst of [true, false]) {
    const call = client.call('model_get', { model: 'backups', id: 'b1' });
    const [sent] = await sender.has(1);
    t.like(sent?.message, { sender: 'i1', replyTo: 'replies' });
    t.deepEqual(JSON.parse(sent?.text ?? ''), { method: 'model_get', args: { model: 'backups', id: 'b1' } });
    if (confirmFirst) sent?.confirm();
    if (sent !== undefined) answer(sender, sent, { result: { id: 'b1' } });
    t.deepEqual(await call, { id: 'b1' });
    if (!confirmFirst) sent?.confirm();
  }
});

test('answers find their calls in any order', async (t) => {
  const sender = new FakeSender();
  const client = await connectTo(t, sender);
  const calls = Array.from({ length: 20 }, (_, n) => client.call('echo', { n }));
  for (const one of [...(await sender.has(20))].toReversed())
    answer(sender, one, { result: JSON.parse(one.text).args.n });
  t.deepEqual(
    await Promise.all(calls),
    Array.from({ length: 20 }, (_, n) => n),
  );
});

test('an error answer is a RemoteError with its class, message and argument', async (t) => {
  const sender = new FakeSender();
  const client = await connectTo(t, sender);
  const call = client.call('model_get', { model: 'backups', id: 'b1' });
  const [sent] = await sender.has(1);
  if (sent !== undefined)
    answer(sender, sent, { error: { class: 'not_found', message: 'no such backup', argument: 'args.id' } });
  const error = await t.throwsAsync(call, { instanceOf: RemoteError, message: 'no such backup' });
  t.is(error.class, 'not_found');
  t.is(error.argument, 'args.id');
});

test('a call without an answer times out, and a late answer changes nothing', async (t) => {
  const sender = new FakeSender();
  const client = await connectTo(t, sender);
  const call = t.throwsAsync(client.call('slow', {}, { timeout: 20, messageId: 'm1' }));
  const [sent] = await sender.has(1);
  const { expiration = 0 } = sent?.message ?? {};
  t.true(expiration > 0 && expiration <= 20);
  sent?.confirm();
  const error = await call;
  t.true(error instanceof CallTimeout);
  t.is(error?.message, 'slow was not answered within 20 ms');
  if (error instanceof CallTimeout) t.is(error.messageId, 'm1');
  if (sent !== undefined) answer(sender, sent, { result: 1 });
  const next = client.call('next', {});
  const [second] = await sender.has(1);
  if (second !== undefined) answer(sender, second, { result: 2 });
  t.is(await next, 2);
});

test('a call without a connection waits for a connection', async (t) => {
  const sender = new FakeSender();
  sender.refusal = new NotConnected('nobody there');
  const client = await connectTo(t, sender);
  const call = client.call('ping', {});
  sender.refusal = undefined;
  const [sent] = await sender.has(1);
  if (sent !== undefined) answer(sender, sent, { result: { pong: true } });
  t.deepEqual(await call, { pong: true });
});

test('a call that never had a connection times out, and the error says why', async (t) => {
  const sender = new FakeSender();
  sender.refusal = new NotConnected('nobody there');
  const client = await connectTo(t, sender);
  await t.throwsAsync(client.call('ping', {}, { timeout: 20 }), {
    instanceOf: CallTimeout,
    message: 'ping was not answered within 20 ms: it was never sent, for want of a connection (nobody there)',
  });
});

test('a call rejects if its connection breaks, and the error has the message id for a repetition', async (t) => {
  const sender = new FakeSender();
  const client = await connectTo(t, sender);
  const calls = ['confirmed', 'unconfirmed'].map((method) => client.call(method, {}, { messageId: 'm1' }));
  const [first] = await sender.has(2);
  first?.confirm();
  sender.session?.break();
  for (const call of calls)
    await t.throwsAsync(call, {
      instanceOf: NotConnected,
      message: /^the connection broke before \w+ was answered; .* messageId m1 is safe$/,
    });
  t.is(sender.sent.length, 0);
});

test('the client refuses a call if maxCalls calls wait', async (t) => {
  const sender = new FakeSender();
  const client = await connectTo(t, sender, { maxCalls: 1 });
  const call = client.call('a', {});
  await t.throwsAsync(client.call('b', {}), { instanceOf: BufferFull, message: /^1 calls wait/ });
  const [sent] = await sender.has(1);
  if (sent !== undefined) answer(sender, sent, { result: null });
  t.is(await call, null);
});

test('an aborted call rejects with the reason', async (t) => {
  const sender = new FakeSender();
  const client = await connectTo(t, sender);
  const controller = new AbortController();
  const call = client.call('a', {}, { signal: controller.signal });
  await sender.has(1);
  const reason = new Error('never mind');
  controller.abort(reason);
  t.is(await t.throwsAsync(call), reason);
  t.is(await t.throwsAsync(client.call('b', {}, { signal: controller.signal })), reason);
});

test('without a way to reply a call is refused and a cast is not', async (t) => {
  const sender = new FakeSender();
  sender.replyTo = undefined;
  const client = await connectTo(t, sender);
  await t.throwsAsync(client.call('a', {}), {
    instanceOf: Undeliverable,
    message: /^a cannot be called: .* offers no address for replies$/,
  });
  const cast = client.cast('b', {});
  (await sender.has(1))[0]?.confirm();
  t.is(await cast, 'sent');
});

test('a reply that cannot be read is dropped', async (t) => {
  const sender = new FakeSender();
  const client = await connectTo(t, sender);
  const call = client.call('a', {});
  const [sent] = await sender.has(1);
  const { correlationId } = sent?.message ?? {};
  for (const body of ['', '{', '[]', '{}', '{"error": 5}'])
    sender.receive({ correlationId, body: Buffer.from(body) });
  sender.receive({ correlationId: undefined, body: Buffer.from('{"result": 1}') });
  sender.receive({ correlationId, body: Buffer.from('{"result": 2}') });
  t.is(await call, 2);
});

test("in oslo's form the reply address and the correlation are in the body", async (t) => {
  const sender = new FakeSender();
  const client = await connectTo(t, sender, { codec: 'oslo' });
  const call = client.call('instance_get', {});
  const [sent] = await sender.has(1);
  t.is(sent?.message.replyTo, undefined);
  t.is(sent?.message.correlationId, undefined);
  const inner = JSON.parse(JSON.parse(sent?.text ?? '')['oslo.message']);
  t.is(inner._reply_q, 'replies');
  const reply = (fields: object) => {
    const message = JSON.stringify({ _msg_id: inner._msg_id, _unique_id: 'u1', failure: null, ...fields });
    const body = Buffer.from(JSON.stringify({ 'oslo.version': '2.0', 'oslo.message': message }));
    sender.receive({ correlationId: undefined, body });
  };
  // That it is still being worked on.
  reply({ result: null, ending: false });
  reply({ result: { id: 'i1' }, ending: true });
  t.deepEqual(await call, { id: 'i1' });
});

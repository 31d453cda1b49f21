import test from 'ava';
import { CallTimeout, RemoteError } from '../../src/client/errors.ts';
import { NotConnected } from '../../src/core/errors.ts';
import { connectTo, FakeSender, type Sent } from './fake-sender.ts';

function answer(sender: FakeSender, { message, confirm }: Sent, reply: object): void {
  confirm();
  sender.receive({ correlationId: message.correlationId, body: Buffer.from(JSON.stringify(reply)) });
}

const there = { instance_id: 'i1', status: 'running', now: 'running' };
const refused = (name: string) => ({ error: { class: name, message: `because ${name}` } });

test('the call asks the conductor to wait for less time than the caller has', async (t) => {
  const sender = new FakeSender();
  const client = await connectTo(t, sender);
  const wait = client.awaitStatus('i1', ['running', 'healthy'], { timeout: 10_000 });
  const [sent] = await sender.has(1);
  t.deepEqual(JSON.parse(sent?.text ?? ''), {
    method: 'await_status',
    args: { instance_id: 'i1', status: ['running', 'healthy'], timeout: 8 },
  });
  if (sent !== undefined) answer(sender, sent, { result: there });
  t.deepEqual(await wait, there);
});

test('a long wait is several calls, and one that is over or refused for want of room is followed by another', async (t) => {
  const sender = new FakeSender();
  const client = await connectTo(t, sender);
  const wait = client.awaitStatus('i1', 'running', { timeout: 3_600_000 });
  for (const name of ['Timeout', 'Busy', 'Timeout']) {
    const [sent] = await sender.has(1);
    t.is(JSON.parse(sent?.text ?? '{}').args.timeout, 58);
    if (sent !== undefined) answer(sender, sent, refused(name));
  }
  const [last] = await sender.has(1);
  if (last !== undefined) answer(sender, last, { result: there });
  t.deepEqual(await wait, there);
});

test('a broken connection is followed by another call', async (t) => {
  const sender = new FakeSender();
  const client = await connectTo(t, sender);
  const wait = client.awaitStatus('i1', 'running');
  await sender.has(1);
  sender.session?.break();
  const [again] = await sender.has(1);
  if (again !== undefined) answer(sender, again, { result: there });
  t.deepEqual(await wait, there);
});

test("at the end of the caller's time the error has the conductor's words", async (t) => {
  const sender = new FakeSender();
  const client = await connectTo(t, sender);
  const wait = client.awaitStatus('i1', 'running', { timeout: 10_000, messageId: 'm1' });
  const [sent] = await sender.has(1);
  if (sent !== undefined) answer(sender, sent, refused('Timeout'));
  const error = await t.throwsAsync(wait, { instanceOf: CallTimeout, message: 'because Timeout' });
  t.is(error.messageId, 'm1');
});

for (const name of ['Forbidden', 'NoSuchMethod', 'BadRequest']) {
  test(`the refusal ${name} ends the wait`, async (t) => {
    const sender = new FakeSender();
    const client = await connectTo(t, sender);
    const wait = client.awaitStatus('i1', 'running');
    const [sent] = await sender.has(1);
    if (sent !== undefined) answer(sender, sent, refused(name));
    await t.throwsAsync(wait, { instanceOf: RemoteError, message: `because ${name}` });
  });
}

test('a client that is closed, and a caller that gives up, end the wait', async (t) => {
  const sender = new FakeSender();
  const client = await connectTo(t, sender);
  const controller = new AbortController();
  const given = client.awaitStatus('i1', 'running', { signal: controller.signal });
  const closed = client.awaitStatus('i1', 'running');
  await sender.has(2);
  const reason = new Error('never mind');
  controller.abort(reason);
  t.is(await t.throwsAsync(given), reason);
  await client.close({ deadline: 10 });
  await t.throwsAsync(closed, { instanceOf: NotConnected });
});

test('an answer in another form is an error', async (t) => {
  const sender = new FakeSender();
  const client = await connectTo(t, sender);
  const wait = client.awaitStatus('i1', 'running');
  const [sent] = await sender.has(1);
  if (sent !== undefined) answer(sender, sent, { result: { rows: [] } });
  await t.throwsAsync(wait, { message: /not in its form/ });
});

import test from 'ava';
import { RemoteError } from '../../src/client/errors.ts';
import { ConfigError, Rejected } from '../../src/core/errors.ts';
import { senderKeyText } from '../../src/core/message/sender-key.ts';
import { HmacKey, isSignedBy, readSigned, type SignedLine } from '../../src/core/message/signature.ts';
import { wholeBody } from '../../src/core/span.ts';
import { keyOf } from '../support/signed.ts';
import { connectTo, FakeSender, type Sent } from './fake-sender.ts';

/** The client with a key: it signs every message at the moment when it sends it. */

const key = keyOf('i1');
const auth = { mode: 'hmac', key: senderKeyText(key) };

/** The second line and the content of a message, if its signature is right. */
function opened({ message }: Sent): SignedLine & { readonly content: unknown } {
  const bytes = Buffer.from(message.body);
  const line = readSigned(wholeBody(bytes));
  if (typeof line === 'string') throw new Error(line);
  if (!isSignedBy(wholeBody(bytes), new HmacKey(key.secret))) throw new Error('the signature is wrong');
  const { keyId, sender, sent, messageId, begin } = line;
  return { keyId, sender, sent, messageId, content: JSON.parse(bytes.toString('utf8', begin)) };
}

test('a cast is signed when it is sent, and anew when it is sent again', async (t) => {
  let now = 1_000_000;
  const sender = new FakeSender();
  const client = await connectTo(t, sender, { auth, now: () => now });
  const cast = client.cast('report_root', {}, { messageId: 'm1' });
  const [first] = await sender.has(1);
  t.like(first && opened(first), { sender: 'i1', keyId: 'k1', sent: 1000, messageId: 'm1' });
  now = 9_000_000;
  sender.session?.break();
  const [second] = await sender.has(1);
  t.like(second && opened(second), { sent: 9000, messageId: 'm1', content: { args: { instance_id: 'i1' } } });
  second?.confirm();
  t.is(await cast, 'sent');
});

test('a signed call has its reply address and its ids in the body, and its answer is found by them', async (t) => {
  const sender = new FakeSender();
  const client = await connectTo(t, sender, { auth });
  const call = client.call('ping', {}, { messageId: 'm1' });
  const [sent] = await sender.has(1);
  if (sent === undefined) throw new Error('nothing was sent');
  t.is(sent.message.replyTo, undefined);
  const { content } = opened(sent);
  t.like(content, { method: 'ping', message_id: 'm1', reply_to: 'replies' });
  const correlationId =
    typeof content === 'object' && content !== null && Reflect.get(content, 'correlation_id');
  const body = Buffer.from(
    JSON.stringify({ correlation_id: correlationId, error: { class: 'Forbidden', message: 'no' } }),
  );
  sender.receive({ correlationId: undefined, body });
  await t.throwsAsync(call, { instanceOf: RemoteError, message: 'no' });
});

test('a signed body may have as many bytes as maxBody, with its signature', async (t) => {
  const sender = new FakeSender();
  const client = await connectTo(t, sender, { auth, maxBody: 2000 });
  await t.throwsAsync(client.cast('x', { text: 'a'.repeat(1650) }), {
    instanceOf: Rejected,
    message: /more than 16\d\d$/,
  });
  void client.cast('x', { text: 'a'.repeat(1400) }).catch(() => {});
  const [sent] = await sender.has(1);
  t.true((sent?.message.body.length ?? 0) <= 2000);
});

test('a message id that the line cannot hold is refused', async (t) => {
  const client = await connectTo(t, new FakeSender(), { auth });
  await t.throwsAsync(client.cast('report_root', {}, { messageId: 'a\nb' }), {
    instanceOf: Rejected,
    message: /message id/,
  });
});

for (const [what, wrong, message] of [
  ['mode hmac without a key', { mode: 'hmac' }, /^auth\.keyFile: is required to send with auth\.mode hmac/],
  ['a key that is none', { mode: 'hmac', key: 'secret' }, /^auth\.key: must be "<sender> <key id> <key>"/],
  [
    'a key file that is missing',
    { mode: 'hmac', keyFile: '/nowhere' },
    /^auth\.keyFile: cannot read the file/,
  ],
  [
    'a key under another mode',
    { mode: 'subject', key: auth.key },
    /^auth\.key: goes with auth\.mode hmac, not with subject$/,
  ],
] as const) {
  test(`${what} is refused`, async (t) => {
    const error = await t.throwsAsync(connectTo(t, new FakeSender(), { auth: wrong }), {
      instanceOf: ConfigError,
      message,
    });
    t.false(error.message.includes('secret"'));
  });
}

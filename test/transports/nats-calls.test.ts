import test from 'ava';
import { Undeliverable } from '../../src/core/errors.ts';
import type { Reply } from '../../src/core/message/request.ts';
import { needs } from '../support/services.ts';
import { arrive, open, soon } from './nats-support.ts';

/** Calls, answers and casts over JetStream. */

const natsTest = needs(test, 'nats');

natsTest('a call carries its headers, and its answer reaches the caller', async (t) => {
  const { consume, sender } = await open(t, { auth: { mode: 'subject' } });
  const { session, deliveries } = await consume();
  const replies: Reply[] = [];
  const caller = await sender().connect((reply) => replies.push(reply));
  t.teardown(() => caller.stop(soon()));
  const body = Buffer.from('question');
  const call = {
    sender: 'i-1',
    body,
    messageId: 'm1',
    replyTo: caller.replyTo,
    correlationId: 'c1',
    expiration: 60_000,
  };
  await caller.send(call);
  await caller.send(call);
  await arrive(deliveries, 2);
  const { meta } = deliveries[0] ?? {};
  t.like(meta, { sender: 'i-1', messageId: 'm1', replyTo: caller.replyTo, correlationId: 'c1' });
  const left = (meta?.deadline ?? 0) - performance.now();
  t.true(left > 50_000 && left <= 60_000, `${left}`);
  const to = { kind: 'reply', name: caller.replyTo ?? '' } as const;
  await session.publish({ to, body: Buffer.from('answer'), correlationId: 'c1' });
  await arrive(replies, 1);
  t.deepEqual(
    replies.map(({ body, correlationId }) => [Buffer.from(body).toString(), correlationId]),
    [['answer', 'c1']],
  );
  t.deepEqual(
    deliveries.map(({ meta }) => meta.messageId),
    ['m1', 'm1'],
    'the stream does not drop a repeated call',
  );
  session.settle(deliveries, 'done');
});

natsTest('no answer goes to a subject of the server or to the subjects of proven guests', async (t) => {
  const { id, consume } = await open(t);
  const { session } = await consume();
  for (const name of [`$JS.API.STREAM.PURGE.${id}`, `test.${id}.i-2`, 'a.*', 'a b', ''])
    await t.throwsAsync(session.publish({ to: { kind: 'reply', name }, body: Buffer.from('x') }), {
      instanceOf: Undeliverable,
    });
  // Nobody is there: that is no failure.
  await t.notThrowsAsync(
    session.publish({ to: { kind: 'reply', name: '_INBOX.gone' }, body: Buffer.from('x') }),
  );
});

natsTest('a sender gets an error if no stream, or another stream, stores its message', async (t) => {
  const { id, sender, manager } = await open(t);
  const session = await sender().connect(() => {});
  t.teardown(() => session.stop(soon()));
  const message = { sender: 'i-1', body: Buffer.from('x'), messageId: 'm1' };
  await t.throwsAsync(session.send(message), {
    instanceOf: Undeliverable,
    message: /no stream keeps test\./,
  });
  const other = `other-${id}`;
  await manager.streams.add({ name: other, subjects: [`test.${id}.*`] });
  t.teardown(() => manager.streams.delete(other));
  await t.throwsAsync(session.send(message), { instanceOf: Undeliverable, message: /refuses the message/ });
  await t.throwsAsync(session.send({ ...message, sender: 'a.b' }), { instanceOf: Undeliverable });
});

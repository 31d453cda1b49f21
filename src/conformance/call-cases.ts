import assert from 'node:assert/strict';
import { Undeliverable } from '../core/errors.ts';
import { arrive, type ConformanceCase, consume, finish, offered, soon, until } from './harness.ts';
import type { Callers, Opened, Subject, Test } from './subject.ts';

/** The time limit of the calls, in milliseconds. */
const expiration = 60_000;

/** Replies that are published at once: more than a broker accepts before it has answered any. */
const manyReplies = 1000;

/** Messages with properties, and replies to them. */
export function callCases(subject: Subject): ConformanceCase[] {
  const named = (title: string, run: (opened: Opened & Callers, t: Test) => Promise<void>) =>
    offered(subject, 'callers', subject.openWithCallers, title, run);
  const call = { sender: 'caller', messageId: 'm-1', correlationId: 'c-1', expiration };

  return [
    named('the properties of a message arrive as they were sent', async (opened) => {
      const { replyTo } = opened;
      await opened.send({ ...call, body: Buffer.from('call'), replyTo });
      await opened.send({ sender: 'guest', body: Buffer.from('cast'), messageId: 'm-2' });
      const sentBy = performance.now();
      const consumer = await consume(opened);
      await arrive(consumer.deliveries, 2);
      const [first, second] = consumer.deliveries.map(({ meta }) => meta);
      assert.equal(first?.messageId, 'm-1');
      assert.equal(first.replyTo, replyTo);
      assert.equal(first.correlationId, 'c-1');
      const left = (first.deadline ?? 0) - sentBy;
      assert.ok(left > 0 && left <= expiration + first.receivedAt - sentBy, `${left} ms are left of it`);
      assert.equal(second?.messageId, 'm-2');
      assert.equal(second.replyTo, undefined, 'a cast has no reply address');
      assert.equal(second.deadline, undefined);
      await finish(consumer);
    }),

    named('a reply arrives where the caller listens, with the correlation id of the call', async (opened) => {
      await opened.send({ ...call, body: Buffer.from('call'), replyTo: opened.replyTo });
      const consumer = await consume(opened);
      await arrive(consumer.deliveries, 1);
      const { replyTo: name = '', correlationId } = consumer.deliveries[0]?.meta ?? {};
      const body = Buffer.from([0, 255, 10]);
      await consumer.session.publish({ to: { kind: 'reply', name }, body, correlationId });
      await until('the reply', () => opened.replies.length > 0);
      const [reply] = opened.replies;
      assert.equal(reply?.correlationId, 'c-1');
      assert.ok(Buffer.from(reply.body).equals(body), 'the body of the reply differs');
      await finish(consumer);
    }),

    named('a reply to a caller that has gone is no failure, and the session goes on', async (opened) => {
      const consumer = await consume(opened);
      const to = { kind: 'reply', name: opened.goneReplyTo } as const;
      await consumer.session.publish({ to, body: Buffer.from('late'), correlationId: 'c-1' });
      await opened.publish('guest', Buffer.from('next'));
      await arrive(consumer.deliveries, 1);
      await finish(consumer);
      assert.equal(await consumer.session.closed, undefined);
    }),

    named(`${manyReplies} replies that are published at once all arrive, once`, async (opened) => {
      const { session } = await consume(opened);
      const to = { kind: 'reply', name: opened.replyTo } as const;
      const ids = Array.from({ length: manyReplies }, (_, number) => `c-${number}`);
      await Promise.all(
        ids.map((correlationId) => session.publish({ to, body: Buffer.from(correlationId), correlationId })),
      );
      await until('all replies', () => opened.replies.length >= manyReplies);
      assert.deepEqual(opened.replies.map(({ correlationId }) => correlationId).sort(), ids.sort());
      await session.stop(soon());
      assert.equal(await session.closed, undefined);
    }),

    offered(
      subject,
      'limit',
      subject.openWithLimit,
      'a reply that is too large for the broker is undeliverable, and the session goes on',
      async (opened) => {
        const consumer = await consume(opened);
        const to = { kind: 'reply', name: opened.replyTo } as const;
        const reply = { to, correlationId: 'c-1' };
        await assert.rejects(
          consumer.session.publish({ ...reply, body: Buffer.alloc(opened.tooLarge) }),
          Undeliverable,
        );
        await consumer.session.publish({ ...reply, body: Buffer.from('small') });
        await until('the reply that is small', () => opened.replies.length > 0);
        await opened.publish('guest', Buffer.from('next'));
        await arrive(consumer.deliveries, 1);
        await finish(consumer);
        assert.equal(await consumer.session.closed, undefined);
      },
    ),
  ];
}

import assert from 'node:assert/strict';
import { Undeliverable } from '../core/errors.ts';
import type { Reply } from '../core/message/request.ts';
import { assertSame, type ConformanceCase, caseOf, finish, numbered, soon, texts, until } from './harness.ts';
import { connectSender, listen, messageOf, senderOffered } from './sender-harness.ts';
import type { OpenedSender, SenderSubject } from './sender-subject.ts';

/** The time limit of the call, in milliseconds. */
const expiration = 60_000;

/** How many messages are under way at once. */
const many = 1000;

/** The duties of every sender while nothing fails. */
export function senderCases(subject: SenderSubject): ConformanceCase[] {
  const named = (title: string, run: (opened: OpenedSender) => Promise<void>): ConformanceCase =>
    caseOf(title, async (t) => run(await subject.open(t)));
  const described = (title: string, run: (opened: OpenedSender) => Promise<void>) =>
    senderOffered(subject, 'properties', subject.open, title, run);

  return [
    named('a send resolves once the broker has the message, even without a consumer', async (opened) => {
      const session = await connectSender(opened);
      for (const text of numbered(3)) await session.send(messageOf(text));
      await session.stop(soon());
      const consumer = await listen(opened);
      await until('all three', () => consumer.deliveries.length >= 3);
      assertSame(texts(consumer.deliveries), numbered(3));
      await finish(consumer);
    }),

    named(`${many} messages that are sent at once all arrive, once`, async (opened) => {
      const session = await connectSender(opened);
      const consumer = await listen(opened);
      await Promise.all(numbered(many).map((text) => session.send(messageOf(text))));
      await until('all', () => consumer.deliveries.length >= many);
      assertSame(texts(consumer.deliveries), numbered(many));
      await finish(consumer);
      await session.stop(soon());
    }),

    described('the properties of a message arrive as they were sent', async (opened) => {
      const session = await connectSender(opened);
      assert.ok(session.hasProperties);
      const { replyTo } = session;
      const consumer = await listen(opened);
      const sentAt = performance.now();
      await session.send({ ...messageOf('call'), replyTo, correlationId: 'c-1', expiration });
      await session.send(messageOf('cast'));
      await until('both', () => consumer.deliveries.length >= 2);
      const [call, cast] = consumer.deliveries.map(({ meta }) => meta);
      assert.equal(call?.messageId, 'call');
      // The broker may rewrite the address, as RabbitMQ does for direct reply-to.
      assert.notEqual(call.replyTo, undefined);
      assert.equal(call.correlationId, 'c-1');
      const left = (call.deadline ?? 0) - sentAt;
      // MQTT counts whole seconds, and the two clocks differ.
      assert.ok(left > expiration / 2 && left < expiration + 2000, `${left} ms are left of it`);
      assert.equal(cast?.messageId, 'cast');
      assert.equal(cast.replyTo, undefined, 'a cast has no reply address');
      assert.equal(cast.correlationId, undefined);
      assert.equal(cast.deadline, undefined);
      await finish(consumer);
      await session.stop(soon());
    }),

    described(
      'a reply arrives at the session that has sent the call, with its correlation id',
      async (opened) => {
        const replies: (readonly [who: string, reply: Reply])[] = [];
        const asking = await connectSender(opened, (reply) => replies.push(['asking', reply]));
        const other = await connectSender(opened, (reply) => replies.push(['other', reply]));
        const consumer = await listen(opened);
        assert.notEqual(asking.replyTo, undefined);
        await asking.send({ ...messageOf('call'), replyTo: asking.replyTo, correlationId: 'c-1' });
        await until('the call', () => consumer.deliveries.length > 0);
        const { replyTo: name = '', correlationId } = consumer.deliveries[0]?.meta ?? {};
        const body = Buffer.from([0, 255, 10]);
        await consumer.session.publish({ to: { kind: 'reply', name }, body, correlationId });
        await until('the reply', () => replies.length > 0);
        await other.stop(soon());
        await asking.stop(soon());
        await finish(consumer);
        const [[who, reply] = []] = replies;
        assert.deepEqual([replies.length, who, reply?.correlationId], [1, 'asking', 'c-1']);
        assert.ok(Buffer.from(reply?.body ?? []).equals(body), 'the body of the reply differs');
      },
    ),

    senderOffered(
      subject,
      'undeliverable',
      subject.undeliverable === undefined ? undefined : subject.open,
      'a message for an address that nobody may send to is undeliverable, and the session goes on',
      async (opened) => {
        const session = await connectSender(opened);
        const consumer = await listen(opened);
        const sender = subject.undeliverable ?? '';
        const sending = ['a', 'b'].map((text) => session.send({ ...messageOf(text), sender }));
        const good = session.send(messageOf('good'));
        for (const one of sending) await assert.rejects(one, Undeliverable);
        await good;
        await session.send(messageOf('next'));
        await until('the deliverable messages', () => consumer.deliveries.length >= 2);
        assertSame(texts(consumer.deliveries), ['good', 'next']);
        await finish(consumer);
        await session.stop(soon());
        assert.equal(await session.closed, undefined);
      },
    ),
  ];
}

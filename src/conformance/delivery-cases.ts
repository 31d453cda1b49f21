import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import {
  arrive,
  assertSame,
  type ConformanceCase,
  caseOf,
  consume,
  expectOnly,
  finish,
  numbered,
  publish,
  soon,
  texts,
  until,
} from './harness.ts';
import type { Opened, Subject, Test } from './subject.ts';

/** The duties of every transport while nothing fails. */
export function deliveryCases(subject: Subject): ConformanceCase[] {
  const named = (title: string, run: (opened: Opened, t: Test) => Promise<void>): ConformanceCase =>
    caseOf(title, async (t) => run(await subject.open(t), t));
  const unless = (reason: string | undefined, one: ConformanceCase): ConformanceCase =>
    reason === undefined ? one : { title: one.title, skip: reason };

  const together = (title: string, run: (opened: Opened) => Promise<void>) =>
    unless(subject.lacks?.replicas, named(title, run));

  return [
    named('bodies arrive as they were sent: empty, binary, 1 MiB', async (opened) => {
      const bodies = [Buffer.alloc(0), Buffer.from([0, 255, 254, 10, 13]), randomBytes(2 ** 20)];
      for (const body of bodies) await opened.publish('guest', body);
      const consumer = await consume(opened);
      await arrive(consumer.deliveries, 3);
      for (const [index, body] of bodies.entries())
        assert.ok(Buffer.from(consumer.deliveries[index]?.body ?? []).equals(body), `body ${index} differs`);
      await finish(consumer);
    }),

    named('the sender is proven', async (opened) => {
      await opened.publish('i-77', Buffer.from('x'));
      const consumer = await consume(opened);
      await arrive(consumer.deliveries, 1);
      const { sender, senderProof, redelivered } = consumer.deliveries[0]?.meta ?? {};
      assert.deepEqual(
        { sender, senderProof, redelivered },
        {
          sender: 'i-77',
          senderProof: subject.senderProof ?? 'subject',
          redelivered: false,
        },
      );
      await finish(consumer);
    }),

    named(
      'a message that is done is never delivered again, even if the session stops right after it',
      async (opened) => {
        await publish(opened, 50);
        const { session, deliveries } = await consume(opened);
        await arrive(deliveries, 50);
        session.settle(deliveries.slice(20), 'done');
        session.settle(deliveries.slice(0, 20), 'done');
        await session.stop(soon());
        assert.equal(await session.closed, undefined);
        await expectOnly(opened, []);
      },
    ),

    named('an unsettled message is delivered again to the next session', async (opened) => {
      await publish(opened, 5);
      const { session, deliveries } = await consume(opened);
      await arrive(deliveries, 5);
      session.settle(deliveries.slice(0, 2), 'done');
      await session.stop(soon());
      await expectOnly(opened, numbered(5).slice(2));
    }),

    named('a released message is delivered again', async (opened) => {
      await publish(opened, 5);
      const { session, deliveries } = await consume(opened);
      await arrive(deliveries, 5);
      session.settle(deliveries.slice(0, 2), 'done');
      session.settle(deliveries.slice(2), 'release');
      await session.stop(soon());
      await expectOnly(opened, numbered(5).slice(2));
    }),

    unless(
      subject.boundedByBroker ? undefined : 'the protocol has no bound; the session refuses surplus messages',
      named('no more is in flight than the bound; settling lets more in', async (opened) => {
        const { session, deliveries } = await consume(opened, { bound: 10 });
        await publish(opened, 25);
        await arrive(deliveries, 10);
        for (let settled = 0; settled < 25; settled += 5) {
          assert.ok(deliveries.length - settled <= 10, `${deliveries.length - settled} are in flight`);
          await arrive(deliveries, settled + 5);
          session.settle(deliveries.slice(settled, settled + 5), 'done');
        }
        assertSame(texts(deliveries), numbered(25));
        await session.stop(soon());
      }),
    ),

    named('a refused message comes again after the session is resumed, and only once', async (opened) => {
      let open = false;
      let offered = 0;
      const accept = () => {
        offered += 1;
        return open;
      };
      const consumer = await consume(opened, { accept });
      await publish(opened, 5);
      await until('a message to be offered', () => offered > 0);
      assert.equal(consumer.deliveries.length, 0);
      open = true;
      consumer.session.resume();
      await arrive(consumer.deliveries, 5);
      assertSame(texts(consumer.deliveries), numbered(5));
      await finish(consumer);
    }),

    named('a session that is paused and resumed goes on', async (opened) => {
      const { session, deliveries } = await consume(opened, { bound: 5 });
      session.pause();
      session.pause();
      session.resume();
      await publish(opened, 12);
      for (let settled = 0; settled < 10; settled += 5) {
        await arrive(deliveries, settled + 5);
        session.settle(deliveries.slice(settled, settled + 5), 'done');
      }
      await arrive(deliveries, 12);
      session.settle(deliveries.slice(10), 'done');
      await session.stop(soon());
      assertSame(texts(deliveries), numbered(12));
    }),

    named('a drained session delivers no more messages; the next session gets them', async (opened) => {
      await publish(opened, 5);
      const { session, deliveries } = await consume(opened);
      await arrive(deliveries, 5);
      session.settle(deliveries, 'done');
      await session.drain(soon());
      assert.equal(deliveries.length, 5);
      await session.stop(soon());
      // MQTT keeps no messages for a replica that has left in good order, so the next one connects first.
      const next = await consume(opened);
      await publish(opened, 3);
      await arrive(next.deliveries, 3);
      await finish(next);
      assert.equal(deliveries.length, 5);
    }),

    together('two replicas share the load, and each message comes to one of them, once', async (opened) => {
      // Its bound keeps the first replica from taking all messages.
      const both = [await consume(opened, { bound: 5 }), await consume(opened, { bound: 5, replica: 'two' })];
      const all = () => both.flatMap(({ deliveries }) => texts(deliveries));
      await publish(opened, 10);
      await until('all ten', () => all().length >= 10);
      for (const { deliveries } of both) assert.ok(deliveries.length > 0, 'one has nothing');
      for (const consumer of both) await finish(consumer);
      assertSame(all(), numbered(10));
      await expectOnly(opened, []);
    }),

    together('a replica that has left in good order leaves nothing behind', async (opened) => {
      const leaving = await consume(opened, { bound: 5 });
      const staying = await consume(opened, { replica: 'two' });
      await publish(opened, 10);
      await until('all ten', () => leaving.deliveries.length + staying.deliveries.length >= 10);
      leaving.session.settle(leaving.deliveries, 'done');
      await leaving.session.drain(soon());
      await finish(leaving);
      await publish(opened, 10, 10);
      await until('the rest', () => numbered(10, 10).every((one) => texts(staying.deliveries).includes(one)));
      await finish(staying);
      assertSame(texts([...leaving.deliveries, ...staying.deliveries]), numbered(20));
    }),

    unless(
      subject.settlesOutOfOrder ? undefined : 'it acknowledges in the order of arrival',
      named('a message that is settled behind a slow one is not delivered again', async (opened) => {
        await publish(opened, 5);
        const { session, deliveries } = await consume(opened);
        await arrive(deliveries, 5);
        session.settle(deliveries.slice(1), 'done');
        await session.stop(soon());
        await expectOnly(opened, ['message 0']);
      }),
    ),

    named('a session that has ended takes settlements and publications without harm', async (opened) => {
      await publish(opened, 1);
      const { session, deliveries } = await consume(opened);
      await arrive(deliveries, 1);
      await session.stop(soon());
      session.settle(deliveries, 'done');
      session.settle(deliveries, 'release');
      session.pause();
      session.resume();
      await session.stop(soon());
      await session.drain(soon());
      await expectOnly(opened, ['message 0']);
    }),
  ];
}

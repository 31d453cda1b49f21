import assert from 'node:assert/strict';
import {
  arrive,
  assertSame,
  type ConformanceCase,
  caseOf,
  consume,
  expectOnly,
  numbered,
  offered,
  publish,
  soon,
  texts,
  until,
} from './harness.ts';
import type { Subject } from './subject.ts';

/** The bound on messages in flight in these cases. */
const bound = 10;

/** Milliseconds that a call takes. */
const slow = 2500;

/** Slow or large messages beside others. */
export function boundCases(subject: Subject): ConformanceCase[] {
  const behindOne = 'more than four times the bound pass behind one delivery that stays unsettled';
  return [
    subject.settlesOutOfOrder
      ? caseOf(behindOne, async (t) => {
          const opened = await subject.open(t);
          const count = 4 * bound + 5;
          await publish(opened, count);
          const { session, deliveries } = await consume(opened, { bound });
          for (let settled = 1; settled < count; settled = deliveries.length) {
            await arrive(deliveries, settled + 1);
            session.settle(deliveries.slice(settled), 'done');
          }
          assertSame(texts(deliveries), numbered(count));
          await session.stop(soon());
          await expectOnly(opened, texts(deliveries).slice(0, 1));
        })
      : { title: behindOne, skip: 'it acknowledges in the order of arrival' },

    offered(
      subject,
      'callers',
      subject.openWithCallers,
      'casts flow while a call is not answered for seconds, and its answer arrives then',
      async (opened) => {
        const { replyTo } = opened;
        const call = { sender: 'caller', messageId: 'm-1', correlationId: 'c-1', replyTo };
        await opened.send({ ...call, body: Buffer.from('call') });
        const { session, deliveries } = await consume(opened, { bound });
        await arrive(deliveries, 1);
        const begin = performance.now();
        for (let casts = 1; performance.now() - begin < slow; casts += 1) {
          await opened.publish('guest', Buffer.from(`cast ${casts}`));
          await arrive(deliveries, casts + 1);
          session.settle(deliveries.slice(casts), 'done');
        }
        assert.ok(deliveries.length > 4 * bound, `only ${deliveries.length} have come meanwhile`);
        const to = { kind: 'reply', name: deliveries[0]?.meta.replyTo ?? '' } as const;
        await session.publish({ to, body: Buffer.from('answer'), correlationId: 'c-1' });
        session.settle(deliveries.slice(0, 1), 'done');
        await until('the answer', () => opened.replies.length > 0);
        assert.equal(opened.replies[0]?.correlationId, 'c-1');
        await session.stop(soon());
        await expectOnly(opened, []);
      },
    ),

    caseOf('bodies that are larger than the bound in bytes together all arrive, once', async (t) => {
      const opened = await subject.open(t);
      const [size, bytes, count] = [100_000, 250_000, 12];
      for (let number = 0; number < count; number += 1)
        await opened.publish('guest', Buffer.alloc(size, `${number % 10}`));
      let held = 0;
      // Like a conductor, it takes the message that reaches the bound, and none after it.
      const accept = () => {
        if (held >= bytes) return false;
        held += size;
        if (held >= bytes) queueMicrotask(() => consumer?.session.pause());
        return true;
      };
      let consumer: Awaited<ReturnType<typeof consume>> | undefined;
      consumer = await consume(opened, { bytes, accept });
      const { session, deliveries } = consumer;
      for (let settled = 0; settled < count; ) {
        await arrive(deliveries, settled + 1);
        const ready = deliveries.slice(settled);
        settled += ready.length;
        held -= ready.length * size;
        session.settle(ready, 'done');
        session.resume();
      }
      assert.equal(deliveries.length, count);
      await session.stop(soon());
      await expectOnly(opened, []);
    }),

    caseOf('a body that is larger than the bound in bytes arrives by itself', async (t) => {
      const opened = await subject.open(t);
      for (const size of [10, 300_000, 10]) await opened.publish('guest', Buffer.alloc(size));
      const { session, deliveries } = await consume(opened, { bytes: 100_000 });
      for (let settled = 0; settled < 3; settled = deliveries.length) {
        await arrive(deliveries, settled + 1);
        session.settle(deliveries.slice(settled), 'done');
      }
      await session.stop(soon());
      await expectOnly(opened, []);
    }),
  ];
}

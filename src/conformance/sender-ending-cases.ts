import assert from 'node:assert/strict';
import { NotConnected } from '../core/errors.ts';
import {
  assertSame,
  type ConformanceCase,
  caseOf,
  endOf,
  finish,
  numbered,
  soon,
  texts,
  until,
} from './harness.ts';
import { settlesToBefore } from './resources.ts';
import { connectSender, listen, messageOf, senderOffered } from './sender-harness.ts';
import type { OpenedSender, SenderSubject } from './sender-subject.ts';
import type { Network } from './subject.ts';

/** How many messages are under way when the session ends. */
const underWay = 50;

/** How many sessions are made one after the other. */
const reconnects = 30;

/** The ends of every sender's sessions. */
export function senderEndingCases(subject: SenderSubject): ConformanceCase[] {
  const named = (title: string, run: (opened: OpenedSender) => Promise<void>): ConformanceCase =>
    caseOf(title, async (t) => run(await subject.open(t)));
  const behindProxy = (
    title: string,
    run: (opened: OpenedSender & { readonly network: Network }) => Promise<void>,
  ) => senderOffered(subject, 'proxy', subject.openBehindProxy, title, run);

  return [
    named('a session stops once the messages under way have arrived', async (opened) => {
      const session = await connectSender(opened);
      const consumer = await listen(opened);
      const sending = numbered(underWay).map((text) => session.send(messageOf(text)));
      await session.stop(soon());
      await Promise.all(sending);
      await until('all', () => consumer.deliveries.length >= underWay);
      assertSame(texts(consumer.deliveries), numbered(underWay));
      await finish(consumer);
    }),

    named(
      'a session that was stopped has no error, stops again without harm and sends nothing',
      async (opened) => {
        const session = await connectSender(opened);
        await session.stop(soon());
        assert.equal(await session.closed, undefined);
        await session.stop(soon());
        await assert.rejects(session.send(messageOf('late')), NotConnected);
        const consumer = await listen(opened);
        const next = await connectSender(opened);
        await next.send(messageOf('next'));
        await until('the next one', () => consumer.deliveries.length > 0);
        assertSame(texts(consumer.deliveries), ['next']);
        await next.stop(soon());
        await finish(consumer);
      },
    ),

    behindProxy(
      'a send that is under way when the connection is cut rejects with NotConnected, and the session ends',
      async (opened) => {
        const session = await connectSender(opened);
        await session.send(messageOf('before'));
        opened.network.halfOpen();
        const sending = Promise.allSettled(numbered(underWay).map((text) => session.send(messageOf(text))));
        opened.network.cut();
        for (const result of await sending) {
          assert.equal(result.status, 'rejected');
          assert.ok(result.reason instanceof NotConnected, `${result.reason}`);
        }
        await endOf({ session });
        await assert.rejects(session.send(messageOf('late')), NotConnected);
        await session.stop(soon());
        await opened.network.restore();
        const next = await connectSender(opened);
        await next.send(messageOf('next'));
        await next.stop(soon());
      },
    ),

    behindProxy('a session stops within its deadline even if the broker does not answer', async (opened) => {
      const session = await connectSender(opened);
      opened.network.halfOpen();
      const sending = session.send(messageOf('unanswered')).catch((error: unknown) => error);
      const begin = performance.now();
      await session.stop(AbortSignal.timeout(300));
      assert.equal(await session.closed, undefined);
      const took = performance.now() - begin;
      assert.ok(took < 1500, `it took ${took} ms`);
      assert.ok((await sending) instanceof NotConnected, 'a send under way rejects with NotConnected');
    }),

    behindProxy('a broker that takes connections and says nothing is not connected', async (opened) => {
      opened.network.halfOpen();
      await assert.rejects(connectSender(opened), NotConnected);
    }),

    named(
      `${reconnects} sessions, one after the other, leave nothing open in the process`,
      async (opened) => {
        const sender = opened.sender();
        const connect = async () => {
          const session = await sender.connect(() => {});
          await session.send(messageOf('again'));
          await session.stop(soon());
        };
        const consumer = await listen(opened);
        await connect();
        await settlesToBefore(async () => {
          for (let round = 0; round < reconnects; round += 1) await connect();
        });
        await finish(consumer);
      },
    ),
  ];
}

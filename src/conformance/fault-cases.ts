import assert from 'node:assert/strict';
import { NotConnected } from '../core/errors.ts';
import {
  arrive,
  type ConformanceCase,
  type Consumer,
  comeAgain,
  consume,
  endOf,
  expectOnly,
  finish,
  numbered,
  offered,
  publish,
  soon,
} from './harness.ts';
import type { Network, Opened, Subject } from './subject.ts';

/** The duties of every transport if the network or the broker fails. */
export function faultCases(subject: Subject): ConformanceCase[] {
  const behindProxy = (
    title: string,
    run: (opened: Opened & { readonly network: Network }) => Promise<void>,
  ) => offered(subject, 'proxy', subject.openBehindProxy, title, run);

  return [
    behindProxy(
      'a connection that is cut mid-batch ends the session, and nothing is lost',
      async (opened) => {
        await publish(opened, 10);
        const consumer = await consume(opened);
        await arrive(consumer.deliveries, 10);
        consumer.session.settle(consumer.deliveries.slice(0, 4), 'done');
        opened.network.cut();
        await assertEnded(consumer);
        // The rest of the batch is settled after the end of the session.
        consumer.session.settle(consumer.deliveries.slice(4, 8), 'done');
        const next = await consume(opened);
        await comeAgain(next, numbered(10).slice(4));
        await finish(next);
        await expectOnly(opened, []);
      },
    ),

    behindProxy('a session ends if no bytes arrive any more on its connection', async (opened) => {
      await publish(opened, 5);
      const consumer = await consume(opened);
      await arrive(consumer.deliveries, 5);
      opened.network.halfOpen();
      await assertEnded(consumer);
      await opened.network.restore();
      const next = await consume(opened);
      await comeAgain(next, numbered(5));
      await finish(next);
      await expectOnly(opened, []);
    }),

    behindProxy('a session stops within its deadline even if the broker does not answer', async (opened) => {
      await publish(opened, 5);
      const { session, deliveries } = await consume(opened);
      await arrive(deliveries, 5);
      opened.network.halfOpen();
      const begin = performance.now();
      await session.drain(AbortSignal.timeout(200));
      session.settle(deliveries.slice(0, 2), 'done');
      session.settle(deliveries.slice(2), 'release');
      await session.stop(AbortSignal.timeout(300));
      await session.closed;
      const took = performance.now() - begin;
      assert.ok(took < 1500, `it took ${took} ms`);
      await opened.network.restore();
      const next = await consume(opened);
      await comeAgain(next, numbered(5).slice(2));
      await finish(next);
      await expectOnly(opened, []);
    }),

    behindProxy('a broker that takes connections and says nothing is not connected', async (opened) => {
      opened.network.halfOpen();
      await assert.rejects(
        opened.transport(1).connect(() => true),
        NotConnected,
      );
    }),

    offered(
      subject,
      'restart',
      subject.openRestartable,
      'a broker that is restarted ends the session, and nothing is lost',
      async (opened) => {
        await publish(opened, 5);
        const consumer = await consume(opened);
        await arrive(consumer.deliveries, 5);
        consumer.session.settle(consumer.deliveries.slice(0, 2), 'done');
        const [, error] = await Promise.all([opened.restart(), consumer.session.closed]);
        assert.ok(error instanceof Error, 'a session that nobody has asked to end has an error');
        const next = await consume(opened);
        await comeAgain(next, numbered(5).slice(2));
        await publish(opened, 5, 5);
        await comeAgain(next, numbered(5, 5));
        await finish(next);
        await expectOnly(opened, []);
      },
    ),
  ];
}

/** The session has ended by itself, has an error, and publishes nothing more. */
async function assertEnded({ session }: Consumer): Promise<void> {
  await endOf({ session });
  const publication = { to: { kind: 'reply', name: 'nobody' }, body: Buffer.alloc(0) } as const;
  await assert.rejects(session.publish(publication), NotConnected);
  await session.stop(soon());
}

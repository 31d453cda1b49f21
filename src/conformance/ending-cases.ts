import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { cutWhileMade } from './cut-while-made.ts';
import {
  arrive,
  assertSame,
  type ConformanceCase,
  caseOf,
  comeAgain,
  consume,
  endOf,
  expectOnly,
  finish,
  numbered,
  offered,
  publish,
  soon,
  texts,
  until,
} from './harness.ts';
import { settlesToBefore } from './resources.ts';
import type { Opened, Subject, Test } from './subject.ts';

/** How many sessions are made one after the other. */
const reconnects = 100;

/** The ends of sessions: at any moment, after a fault of ours, and again and again. */
export function endingCases(subject: Subject): ConformanceCase[] {
  const named = (title: string, run: (opened: Opened, t: Test) => Promise<void>): ConformanceCase =>
    caseOf(title, async (t) => run(await subject.open(t), t));

  return [
    named(
      'a session stops with more than the bound queued; it loses no message, and delivers none after its stop',
      async (opened) => {
        await publish(opened, 35);
        const { session, deliveries } = await consume(opened, { bound: 10 });
        await arrive(deliveries, 10);
        const settled = texts(deliveries.slice(0, 5));
        session.settle(deliveries.slice(0, 5), 'done');
        await session.stop(soon());
        assert.equal(await session.closed, undefined);
        const stopped = deliveries.length;
        const expected = numbered(35).filter((one) => !settled.includes(one));
        const next = await consume(opened);
        // Some may be under way to the session that has gone, and come again later.
        await comeAgain(next, expected);
        assertSame(texts(next.deliveries), expected);
        await finish(next);
        await expectOnly(opened, []);
        assert.equal(deliveries.length, stopped, 'it delivers after its stop');
      },
    ),

    named('a session that is stopped as soon as it is connected loses no message', async (opened) => {
      await publish(opened, 20);
      for (let round = 0; round < 5; round += 1) {
        const { session, deliveries } = await consume(opened, { bound: 5 });
        await session.stop(soon());
        assert.equal(await session.closed, undefined);
        const stopped = deliveries.length;
        session.settle(deliveries, 'done');
        await sleep(10);
        assert.equal(deliveries.length, stopped, 'it delivers after its stop');
      }
      // Some may be under way to a session that has gone, and come again later.
      const next = await consume(opened);
      await until('all', () => numbered(20).every((one) => texts(next.deliveries).includes(one)));
      await finish(next);
    }),

    offered(
      subject,
      'proxy',
      subject.openBehindProxy,
      'a connection that is cut while it is made is not connected, or ends; nothing is lost',
      async (opened) => {
        await publish(opened, 5);
        await cutWhileMade(opened.network, async () => (await consume(opened)).session);
        const next = await consume(opened);
        await comeAgain(next, numbered(5));
        await finish(next);
        await expectOnly(opened, []);
      },
    ),

    named(
      'an exception in the taker of a delivery ends the session, and the message comes again',
      async (opened) => {
        const consumer = await consume(opened, {
          accept: ({ body }) => {
            if (Buffer.from(body).toString() === 'message 1') throw new Error('a fault of ours');
            return true;
          },
        });
        await publish(opened, 3);
        await endOf(consumer);
        await consumer.session.stop(soon());
        const next = await consume(opened);
        await comeAgain(next, numbered(3));
        await finish(next);
        await expectOnly(opened, []);
      },
    ),

    named(
      `${reconnects} sessions, one after the other, leave nothing open in the process`,
      async (opened) => {
        const transport = opened.transport(1);
        const connect = async () => {
          const session = await transport.connect(() => true);
          await session.stop(soon());
        };
        await connect();
        await settlesToBefore(async () => {
          for (let round = 0; round < reconnects; round += 1) await connect();
        });
        // MQTT keeps no messages for a replica that has left in good order, so the next one connects first.
        const last = await consume(opened);
        await publish(opened, 1);
        await arrive(last.deliveries, 1);
        assertSame(texts(last.deliveries), numbered(1));
        await finish(last);
      },
    ),
  ];
}

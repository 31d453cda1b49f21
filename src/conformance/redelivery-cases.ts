import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
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
import type { Subject } from './subject.ts';

/** The broker acts on its own: it redelivers, loses patience, or objects are deleted. */
export function redeliveryCases(subject: Subject): ConformanceCase[] {
  const second = 'a redelivered message is marked as redelivered';
  return [
    subject.lacks?.redelivered === undefined
      ? caseOf(second, async (t) => {
          const opened = await subject.open(t);
          await publish(opened, 3);
          const first = await consume(opened);
          await arrive(first.deliveries, 3);
          assert.ok(first.deliveries.every(({ meta }) => !meta.redelivered));
          await first.session.stop(soon());
          const next = await consume(opened);
          await arrive(next.deliveries, 3);
          assert.ok(next.deliveries.every(({ meta }) => meta.redelivered));
          await finish(next);
        })
      : { title: second, skip: subject.lacks.redelivered },

    offered(
      subject,
      'impatient',
      subject.openImpatient,
      "a message that is held for longer than the broker's patience is not lost; at most it comes again",
      async (opened) => {
        await publish(opened, 5);
        const consumer = await consume(opened);
        await arrive(consumer.deliveries, 5);
        let ended = false;
        void consumer.session.closed.then(() => {
          ended = true;
        });
        await sleep(3 * opened.patience);
        const endedBefore = ended;
        await finish(consumer);
        const next = await consume(opened);
        if (endedBefore) await comeAgain(next, numbered(5));
        await opened.publish('guest', Buffer.from('the last'));
        await until('the last message', () => texts(next.deliveries).includes('the last'));
        const all = new Set([...texts(consumer.deliveries), ...texts(next.deliveries)]);
        assertSame([...all], [...numbered(5), 'the last']);
        await finish(next);
        await expectOnly(opened, []);
      },
    ),

    offered(
      subject,
      'deletable',
      subject.openDeletable,
      'a session ends if an object that it depends on is deleted; the error names the object, and the next session works',
      async (opened) => {
        for (const [what, deletion] of Object.entries(opened.deletions)) {
          await publish(opened, 2);
          const consumer = await consume(opened);
          await until('both messages', () =>
            numbered(2).every((one) => texts(consumer.deliveries).includes(one)),
          );
          await deletion.delete();
          const error = await endOf(consumer);
          assert.match(error.message, deletion.says, what);
          await consumer.session.stop(soon());
          await deletion.restore?.();
          const next = await consume(opened);
          await opened.publish('guest', Buffer.from(`behind ${what}`));
          await until(`a message behind ${what}`, () => texts(next.deliveries).includes(`behind ${what}`));
          await finish(next);
        }
      },
    ),
  ];
}

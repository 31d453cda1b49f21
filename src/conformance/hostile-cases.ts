import assert from 'node:assert/strict';
import { type ConformanceCase, consume, finish, offered, texts, until } from './harness.ts';
import type { Subject } from './subject.ts';

/** No choice of a sender may hinder other senders. */
export function hostileCases(subject: Subject): ConformanceCase[] {
  return [
    offered(
      subject,
      'hostile',
      subject.openWithHostile,
      'no properties that a sender chooses end the session, and good messages around them arrive',
      async (opened) => {
        const { session, deliveries } = await consume(opened, { bound: 10 });
        let ended: { readonly error: Error | undefined } | undefined;
        void session.closed.then((error) => {
          ended = { error };
        });
        let expected = 0;
        for (const [what, send] of Object.entries(opened.hostile)) {
          const taken = await send();
          await opened.publish('guest', Buffer.from(`behind ${what}`));
          expected += taken ? 2 : 1;
          // The good message after it shows that it comes once.
          const complete = () =>
            deliveries.length >= expected && texts(deliveries).includes(`behind ${what}`);
          await until(`${what}, and the good message behind it`, () => complete() || ended !== undefined);
          assert.equal(ended, undefined, `${what} ends the session: ${ended?.error}`);
          assert.equal(deliveries.length, expected, `${what} comes more than once, or was refused and comes`);
          session.settle(deliveries.slice(taken ? -2 : -1), 'done');
        }
        await finish({ session, deliveries: [] });
        assert.equal(await session.closed, undefined);
      },
    ),
  ];
}

import test from 'ava';
import { SessionLife } from '../../../src/core/transport/session-life.ts';
import { Unconfirmed } from '../../../src/core/transport/unconfirmed.ts';

/** A message that is confirmed by hand. */
function pending() {
  let confirm: () => void = () => {};
  const confirmed = new Promise<void>((resolve) => {
    confirm = resolve;
  });
  return { confirmed, confirm };
}

test('a session has at most as many publications under way as the broker allows, and each confirm sends one more', async (t) => {
  const unconfirmed = new Unconfirmed(new SessionLife(() => {}), 1000);
  unconfirmed.bound = 2;
  const messages = Array.from({ length: 4 }, pending);
  let sent = 0;
  const all = messages.map(({ confirmed }) =>
    unconfirmed.send(() => {
      sent += 1;
      return confirmed;
    }),
  );
  await Promise.resolve();
  await Promise.resolve();
  t.is(sent, 2);
  messages[0]?.confirm();
  await all[0];
  await new Promise(setImmediate);
  t.is(sent, 3);
  for (const { confirm } of messages) confirm();
  await Promise.all(all);
  await unconfirmed.idle(AbortSignal.timeout(1000));
});

test('the end of the session rejects publications that wait or are under way', async (t) => {
  const life = new SessionLife(() => {});
  const unconfirmed = new Unconfirmed(life, 1);
  const all = [1, 2].map(() => unconfirmed.send(() => new Promise(() => {})));
  const settled = Promise.allSettled(all);
  life.end(new Error('cut'));
  t.deepEqual(
    (await settled).map((one) => (one.status === 'rejected' ? one.reason.message : one.status)),
    ['cut', 'cut'],
  );
  await unconfirmed.idle(AbortSignal.timeout(60_000));
});

test('nothing is sent after the session was asked to end', async (t) => {
  const life = new SessionLife(() => {});
  const unconfirmed = new Unconfirmed(life, 1);
  void life.stop(AbortSignal.timeout(60_000), () => new Promise(() => {}));
  await t.throwsAsync(
    unconfirmed.send(async () => t.fail()),
    { name: 'NotConnected' },
  );
  life.end(undefined);
});

test('a session without a bound of publications waits at the end for publications that are under way', async (t) => {
  const unconfirmed = new Unconfirmed(new SessionLife(() => {}), Number.POSITIVE_INFINITY);
  const message = pending();
  const sending = unconfirmed.send(() => message.confirmed);
  await new Promise(setImmediate);
  let isIdle = false;
  const idle = unconfirmed.idle(AbortSignal.timeout(60_000)).then(() => {
    isIdle = true;
  });
  await new Promise(setImmediate);
  t.false(isIdle);
  message.confirm();
  await sending;
  await idle;
  t.true(isIdle);
});

import test from 'ava';
import { Outbox } from '../../../src/core/transport/outbox.ts';
import { SessionLife } from '../../../src/core/transport/session-life.ts';

/** A message that is confirmed by hand. */
function pending() {
  let confirm: () => void = () => {};
  const confirmed = new Promise<void>((resolve) => {
    confirm = resolve;
  });
  return { confirmed, confirm };
}

test('the outbox has at most as many publications under way as the broker allows, and each confirm sends one more', async (t) => {
  const outbox = new Outbox(new SessionLife(() => {}), 1000);
  outbox.bound = 2;
  const messages = Array.from({ length: 4 }, pending);
  let sent = 0;
  const all = messages.map(({ confirmed }) =>
    outbox.send(() => {
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
  await outbox.idle(AbortSignal.timeout(1000));
});

test('the end of the session rejects publications that wait or are under way', async (t) => {
  const life = new SessionLife(() => {});
  const outbox = new Outbox(life, 1);
  const all = [1, 2].map(() => outbox.send(() => new Promise(() => {})));
  const settled = Promise.allSettled(all);
  life.end(new Error('cut'));
  t.deepEqual(
    (await settled).map((one) => (one.status === 'rejected' ? one.reason.message : one.status)),
    ['cut', 'cut'],
  );
  await outbox.idle(AbortSignal.timeout(60_000));
});

test('the outbox sends nothing after the session was asked to end', async (t) => {
  const life = new SessionLife(() => {});
  const outbox = new Outbox(life, 1);
  void life.stop(AbortSignal.timeout(60_000), () => new Promise(() => {}));
  await t.throwsAsync(
    outbox.send(async () => t.fail()),
    { name: 'NotConnected' },
  );
  life.end(undefined);
});

test('an outbox without a bound waits at the end for publications that are under way', async (t) => {
  const outbox = new Outbox(new SessionLife(() => {}), Number.POSITIVE_INFINITY);
  const message = pending();
  const sending = outbox.send(() => message.confirmed);
  await new Promise(setImmediate);
  let isIdle = false;
  const idle = outbox.idle(AbortSignal.timeout(60_000)).then(() => {
    isIdle = true;
  });
  await new Promise(setImmediate);
  t.false(isIdle);
  message.confirm();
  await sending;
  await idle;
  t.true(isIdle);
});

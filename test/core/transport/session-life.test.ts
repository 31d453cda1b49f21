import test from 'ava';
import { SessionLife } from '../../../src/core/transport/session-life.ts';

/** Unlike that of AbortSignal.timeout, its timer keeps the process. */
function later(milliseconds: number): AbortSignal {
  const controller = new AbortController();
  setTimeout(() => controller.abort(), milliseconds);
  return controller.signal;
}

function open() {
  const counted = { hungUp: 0, cleanups: 0 };
  const life = new SessionLife(() => {
    counted.hungUp += 1;
  });
  life.atEnd(() => {
    counted.cleanups += 1;
  });
  return { life, counted };
}

test('a session that fails drops its connection once, and closes with the first reason', async (t) => {
  const { life, counted } = open();
  life.fail(new Error('first'));
  life.fail(new Error('second'));
  life.end(new Error('third'));
  t.is((await life.closed)?.message, 'first');
  t.deepEqual(counted, { hungUp: 1, cleanups: 1 });
  t.false(life.open);
});

test('a connection that ends without a reason closes the session with NotConnected', async (t) => {
  const { life, counted } = open();
  life.end(undefined);
  t.like(await life.closed, { name: 'NotConnected', message: 'the connection was closed' });
  t.is(counted.hungUp, 0);
});

test('a session that was asked to end closes without an error after its goodbye', async (t) => {
  const { life, counted } = open();
  await life.stop(later(1000), async () => life.end(undefined));
  t.is(await life.closed, undefined);
  t.true(life.stopping);
  t.is(counted.hungUp, 0);
});

test('a goodbye that fails or is not answered ends at the deadline at the latest', async (t) => {
  const silent = open();
  await silent.life.stop(later(20), () => new Promise(() => {}));
  t.is(await silent.life.closed, undefined);
  t.is(silent.counted.hungUp, 1);
  const failing = open();
  await failing.life.stop(later(1000), () => Promise.reject(new Error('no')));
  t.is(await failing.life.closed, undefined);
  t.is(failing.counted.hungUp, 1);
});

test('a promise passes on its result if it settles before the end, and is rejected with the reason otherwise', async (t) => {
  const { life } = open();
  t.is(await life.wait(Promise.resolve(7)), 7);
  await t.throwsAsync(life.wait(Promise.reject(new Error('its own'))), { message: 'its own' });
  const waiting = life.wait(new Promise(() => {}));
  life.end(new Error('the end'));
  await t.throwsAsync(waiting, { message: 'the end' });
  await t.throwsAsync(life.wait(new Promise(() => {})), { message: 'the end' });
});

test('a cleanup that is registered after the end runs at once, and only once', async (t) => {
  const { life } = open();
  life.end(undefined);
  let runs = 0;
  life.atEnd(() => {
    runs += 1;
  });
  t.is(runs, 1);
  life.end(undefined);
  await life.stop(later(1000), async () => {});
  t.is(runs, 1);
});

import test from 'ava';
import { UntilEnd } from '../../../src/core/transport/until-end.ts';

test('what settles before the end is what it is', async (t) => {
  const until = new UntilEnd();
  t.is(await until.wait(Promise.resolve(7)), 7);
  await t.throwsAsync(until.wait(Promise.reject(new Error('its own'))), { message: 'its own' });
  until.end(new Error('the end'));
});

test('what has not settled at the end is rejected with it, and so is what begins after it', async (t) => {
  const until = new UntilEnd();
  const waiting = until.wait(new Promise(() => {}));
  until.end(new Error('the end'));
  until.end(new Error('another'));
  await t.throwsAsync(waiting, { message: 'the end' });
  await t.throwsAsync(until.wait(new Promise(() => {})), { message: 'the end' });
});

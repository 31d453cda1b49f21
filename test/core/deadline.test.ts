import test from 'ava';
import { settledBy, unlessAborted } from '../../src/core/deadline.ts';

const never = new AbortController().signal;
const pending = new Promise(() => {});

test('a promise that settles before the deadline passes on its result', async (t) => {
  await t.notThrowsAsync(settledBy(Promise.resolve(), never));
  await t.notThrowsAsync(settledBy(Promise.reject(new Error('no')), never));
});

test('the wait ends at the deadline', async (t) => {
  const deadline = new AbortController();
  const waited = settledBy(pending, deadline.signal);
  deadline.abort();
  await t.notThrowsAsync(waited);
  await t.notThrowsAsync(settledBy(pending, deadline.signal));
});

test('a promise that rejects after the deadline causes no unhandled rejection', async (t) => {
  await settledBy(Promise.reject(new Error('too late')), AbortSignal.abort());
  // An unhandled rejection fails the run by the next round of the event loop.
  await new Promise((resolve) => setImmediate(resolve));
  t.pass();
});

test('the wait ends when the signal is aborted, and a rejection before that is passed on', async (t) => {
  await t.throwsAsync(unlessAborted(Promise.reject(new Error('no')), never), { message: 'no' });
  await t.throwsAsync(unlessAborted(Promise.reject(new Error('no'))), { message: 'no' });
  await t.notThrowsAsync(unlessAborted(Promise.resolve(), never));
  const abort = new AbortController();
  const waited = unlessAborted(pending, abort.signal);
  abort.abort();
  await t.notThrowsAsync(waited);
  await t.notThrowsAsync(unlessAborted(Promise.reject(new Error('too late')), abort.signal));
});

import test from 'ava';
import fc from 'fast-check';
import { fullJitter, pause } from '../../src/core/backoff.ts';

const options = fc.record({
  base: fc.integer({ min: 1, max: 10_000 }),
  max: fc.integer({ min: 1, max: 100_000 }),
});
const attempt = fc.nat(5000);

test('a delay lies between 0 and the maximum, for any attempt', (t) => {
  const property = fc.property(
    attempt,
    options,
    fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
    (n, o, r) => {
      const delay = fullJitter(n, o, () => r);
      return delay >= 0 && delay <= o.max && delay <= o.base * 2 ** n;
    },
  );
  t.notThrows(() => fc.assert(property));
});

test('the upper end of a delay doubles with each attempt up to the maximum', (t) => {
  const upper = [0, 1, 2, 3, 4, 5, 2000].map((n) => fullJitter(n, { base: 100, max: 1000 }, () => 1));
  t.deepEqual(upper, [100, 200, 400, 800, 1000, 1000, 1000]);
});

test('a delay is drawn evenly up to its upper end (full jitter)', (t) => {
  const drawn = [0, 0.25, 0.5, 0.75].map((r) => fullJitter(1, { base: 100, max: 1000 }, () => r));
  t.deepEqual(drawn, [0, 50, 100, 150]);
});

test('two delays differ without a given random source', (t) => {
  const delays = new Set(Array.from({ length: 20 }, () => fullJitter(10, { base: 1000, max: 60_000 })));
  t.true(delays.size > 1);
});

test('a pause takes the given time', async (t) => {
  const begin = performance.now();
  await pause(30);
  // Timers count whole milliseconds.
  t.true(performance.now() - begin >= 29);
});

test('an aborted pause ends at once, also if it was aborted before', async (t) => {
  const controller = new AbortController();
  const paused = pause(60_000, controller.signal);
  controller.abort();
  await t.notThrowsAsync(paused);
  await t.notThrowsAsync(pause(60_000, controller.signal));
});

import test from 'ava';
import fc from 'fast-check';
import { fullJitter, pause } from '../../src/core/backoff.ts';

const options = fc.record({
  base: fc.integer({ min: 1, max: 10_000 }),
  max: fc.integer({ min: 1, max: 100_000 }),
});
const attempt = fc.nat(5000);

test('a delay lies between nothing and the greatest, whatever the attempt', (t) => {
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

test('its upper end doubles with each attempt until it is the greatest, and stays there', (t) => {
  const upper = [0, 1, 2, 3, 4, 5, 2000].map((n) => fullJitter(n, { base: 100, max: 1000 }, () => 1));
  t.deepEqual(upper, [100, 200, 400, 800, 1000, 1000, 1000]);
});

test('within its upper end it is drawn evenly: jitter is full', (t) => {
  const drawn = [0, 0.25, 0.5, 0.75].map((r) => fullJitter(1, { base: 100, max: 1000 }, () => r));
  t.deepEqual(drawn, [0, 50, 100, 150]);
});

test('without a source of chance two delays differ', (t) => {
  const delays = new Set(Array.from({ length: 20 }, () => fullJitter(10, { base: 1000, max: 60_000 })));
  t.true(delays.size > 1);
});

test('a pause takes as long as it was told', async (t) => {
  const begin = performance.now();
  await pause(30);
  // Timers count whole milliseconds.
  t.true(performance.now() - begin >= 29);
});

test('a pause ends when it is aborted, and takes no time if it was before', async (t) => {
  const controller = new AbortController();
  const paused = pause(60_000, controller.signal);
  controller.abort();
  await t.notThrowsAsync(paused);
  await t.notThrowsAsync(pause(60_000, controller.signal));
});

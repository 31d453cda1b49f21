import test from 'ava';
import fc from 'fast-check';
import { Histogram, latencyBounds } from '../../src/core/histogram.ts';

const values = fc.array(
  fc.tuple(fc.double({ min: 0, max: 1000, noNaN: true }), fc.integer({ min: 0, max: 9 })),
);

test('each value is in the bucket of the least bound that is not below it', (t) => {
  fc.assert(
    fc.property(values, (all) => {
      const histogram = new Histogram(latencyBounds);
      const expected = new Array<number>(latencyBounds.length + 1).fill(0);
      for (const [value, times] of all) {
        histogram.record(value, times);
        const found = latencyBounds.findIndex((bound) => value <= bound);
        const bucket = found === -1 ? latencyBounds.length : found;
        expected[bucket] = (expected[bucket] ?? 0) + times;
      }
      t.deepEqual(histogram.counts, expected);
      const sum = all.reduce((total, [value, times]) => total + value * times, 0);
      t.true(Math.abs(histogram.sum - sum) <= 1e-6 * Math.max(1, sum));
    }),
  );
});

test('adding a histogram is the same as recording its values', (t) => {
  fc.assert(
    fc.property(values, values, (first, second) => {
      const [both, one, other] = [1, 2, 3].map(() => new Histogram(latencyBounds));
      if (both === undefined || one === undefined || other === undefined) throw new Error('no histogram');
      for (const [value, times] of first) one.record(value, times);
      for (const [value, times] of second) other.record(value, times);
      for (const [value, times] of [...first, ...second]) both.record(value, times);
      one.add(other);
      t.deepEqual(one.counts, both.counts);
    }),
  );
});

import test from 'ava';
import fc from 'fast-check';
import { parseOptions } from '../faults/harness/options.ts';
import { randomOf } from '../faults/harness/random.ts';
import { growing, soakTable } from '../faults/harness/soak/report.ts';
import { floorsOf, grows, medianOf, trendOf } from '../faults/harness/soak/trend.ts';

const tolerance = { share: 0.1, least: 1 };
const count = 60;

/** So many values: a base, a slope and noise, all in the same unit. */
function values(seed: string, { base = 100, slope = 0, noise = 5 } = {}): number[] {
  const random = randomOf(seed);
  return Array.from({ length: count }, (_, n) => base + (slope * n) / count + noise * (random.next() - 0.5));
}

const isGrowing = (all: ReadonlyArray<number>) => grows(trendOf(all), tolerance);

test('noise without a slope does not grow', (t) => {
  fc.assert(
    fc.property(fc.string(), (seed) => {
      t.false(isGrowing(values(seed, { noise: 20 })));
    }),
    { numRuns: 50 },
  );
});

test('a slope of a quarter over the run grows, whatever the noise of a tenth', (t) => {
  fc.assert(
    fc.property(fc.string(), (seed) => {
      t.true(isGrowing(values(seed, { slope: 25, noise: 10 })));
    }),
    { numRuns: 50 },
  );
});

test('a few high values at the end are no growth, and a slope with a few low values at the end is one', (t) => {
  const last = (all: number[], value: number) => all.map((one, n) => (n >= count - 3 ? value : one));
  t.false(isGrowing(last(values('high'), 1000)));
  t.true(isGrowing(last(values('low', { slope: 40 }), 0)));
});

test('a slope that is sure but small, and values that fall, do not grow', (t) => {
  t.false(isGrowing(values('small', { slope: 5, noise: 1 })));
  t.false(isGrowing(values('falling', { slope: -50 })));
  t.false(isGrowing(new Array<number>(count).fill(7)));
});

test('the growth is the slope times the length of the run', (t) => {
  const { growth, median } = trendOf(Array.from({ length: 11 }, (_, n) => 100 + 2 * n));
  t.is(growth, 20);
  t.is(median, 110);
  t.is(medianOf([4, 1, 3, 2]), 2.5);
});

test('of a saw tooth the lowest values count: its floor may not rise', (t) => {
  const saw = (rise: number) => Array.from({ length: 120 }, (_, n) => 50 + (n % 6) * 30 + rise * n);
  const series = (rise: number) => ({
    name: 'heap',
    unit: 'MiB',
    tolerance,
    isSawtooth: true,
    values: saw(rise),
  });
  t.deepEqual(floorsOf([3, 1, 2, 6, 4, 5, 9], 3), [1, 4]);
  t.deepEqual(growing([series(0)]), []);
  t.regex(growing([series(0.5)])[0] ?? '', /^heap grows: by 57 MiB/);
  t.regex(soakTable([series(0.5)])[2] ?? '', /^\| heap +\| MiB .* yes \|$/);
});

test('a soak is asked for by an option', (t) => {
  t.true(parseOptions(['--soak', '--minutes', '15'], () => '').soak);
  t.false(parseOptions(['--minutes', '15'], () => '').soak);
});

import test from 'ava';
import fc from 'fast-check';
import { createStamp } from '../../src/client/stamp.ts';
import { connectTo, FakeSender } from './fake-sender.ts';

test('stamps are seconds of the clock, and strictly increasing while the clock stands still', (t) => {
  const stamp = createStamp(() => 1_795_397_690_635);
  const stamps = Array.from({ length: 1000 }, stamp);
  t.is(stamps[0], 1_795_397_690.635);
  for (const [index, one] of stamps.entries()) t.true(index === 0 || one > (stamps[index - 1] ?? 0));
  t.true((stamps.at(-1) ?? 0) < 1_795_397_690.637);
});

test('stamps are strictly increasing for any clock, and never behind it', (t) => {
  const epoch = 1_795_397_690_000;
  fc.assert(
    fc.property(fc.array(fc.integer({ min: -1e9, max: 1e9 }), { minLength: 2 }), (jumps) => {
      let now = epoch;
      const stamp = createStamp(() => now);
      let last = 0;
      for (const jump of jumps) {
        now = epoch + jump;
        const next = stamp();
        t.true(next > last && next >= now / 1000);
        last = next;
      }
    }),
  );
});

test('sent is strictly increasing although the clock jumps back between two casts', async (t) => {
  const sender = new FakeSender();
  let now = 2_000_000;
  const client = await connectTo(t, sender, { now: () => now });
  for (const time of [2_000_000, 2_000_000, 1_000_000, 1_500_000, 3_000_000]) {
    now = time;
    void client.cast('heartbeat', { payload: { service_status: 'running' } }, { sender: 'i1' });
  }
  const sents = (await sender.has(5)).map(({ text }): number => JSON.parse(text).args.sent);
  t.deepEqual(
    sents,
    [...new Set(sents)].toSorted((a, b) => a - b),
  );
  t.is(sents.at(-1), 3000);
  for (const one of [...sender.sent]) one.confirm();
});

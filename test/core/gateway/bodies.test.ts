import test from 'ava';
import fc from 'fast-check';
import { Bodies } from '../../../src/core/gateway/bodies.ts';

test('a kept body has its bytes until it is freed, whatever is kept and freed meanwhile', (t) => {
  const steps = fc.array(
    fc.oneof(fc.record({ keep: fc.integer({ min: 0, max: 20_000 }) }), fc.record({ free: fc.nat() })),
    { maxLength: 200 },
  );
  fc.assert(
    fc.property(steps, (all) => {
      const bodies = new Bodies();
      const kept: { readonly body: Uint8Array; readonly expected: Uint8Array }[] = [];
      let number = 0;
      for (const step of all) {
        if ('keep' in step) {
          number += 1;
          const body = new Uint8Array(step.keep).fill(number % 251);
          kept.push({ body: bodies.keep(body), expected: body });
        } else {
          const [one] = kept.splice(step.free % Math.max(1, kept.length), 1);
          if (one !== undefined) bodies.free(one.body);
        }
        for (const { body, expected } of kept) if (Buffer.compare(body, expected) !== 0) return false;
      }
      return true;
    }),
  );
  t.pass();
});

test('freed buffers are used again, so a stream of bodies needs no more memory', (t) => {
  const bodies = new Bodies();
  let inFlight: Uint8Array[] = [];
  const most: number[] = [];
  for (let round = 0; round < 50; round += 1) {
    for (const body of inFlight) bodies.free(body);
    inFlight = Array.from({ length: 1000 }, () => bodies.keep(new Uint8Array(1000)));
    most.push(bodies.size);
  }
  t.true(Math.max(...most) <= 20, `${Math.max(...most)} buffers for 1,000 bodies of 1,000 bytes`);
});

test('one body that is never freed keeps one buffer', (t) => {
  const bodies = new Bodies();
  const stuck = bodies.keep(new Uint8Array(100).fill(7));
  for (let round = 0; round < 10_000; round += 1) bodies.free(bodies.keep(new Uint8Array(1000)));
  t.true(bodies.size <= 3);
  t.true(stuck.every((byte) => byte === 7));
});

test('a large body and an empty one are not copied', (t) => {
  const bodies = new Bodies();
  const [large, empty] = [new Uint8Array(100_000), new Uint8Array(0)];
  t.is(bodies.keep(large), large);
  t.is(bodies.keep(empty), empty);
  bodies.free(large);
  bodies.free(empty);
  t.is(bodies.size, 1);
});

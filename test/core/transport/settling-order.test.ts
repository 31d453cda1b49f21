import test from 'ava';
import fc from 'fast-check';
import { SettlingOrder } from '../../../src/core/transport/settling-order.ts';

interface Item {
  readonly number: number;
  settled: boolean;
}

function open(bound = Number.POSITIVE_INFINITY, overtakes = true) {
  const written: { numbers: number[]; inOrder: boolean }[] = [];
  const order = new SettlingOrder<Item>(
    bound,
    (items, inOrder) => written.push({ numbers: items.map(({ number }) => number), inOrder }),
    { overtakes },
  );
  let next = 0;
  const track = (count: number): Item[] => {
    const items = Array.from({ length: count }, () => ({ number: next++, settled: false }));
    for (const item of items) order.track(item);
    return items;
  };
  return { order, written, track, all: () => written.flatMap(({ numbers }) => numbers) };
}

type Step = (subject: ReturnType<typeof open>, unsettled: Item[]) => void;

const chosen = (items: ReadonlyArray<Item>, numbers: ReadonlyArray<number>) => [
  ...new Set(numbers.flatMap((number) => items[number % Math.max(1, items.length)] ?? [])),
];

const step: fc.Arbitrary<Step> = fc.oneof(
  fc.integer({ min: 1, max: 8 }).map(
    (count): Step =>
      ({ track }, unsettled) => {
        unsettled.push(...track(count));
      },
  ),
  fc.array(fc.nat(), { maxLength: 5 }).map(
    (numbers): Step =>
      ({ order }, unsettled) => {
        const items = chosen(unsettled, numbers);
        order.settle(items);
        for (const item of items) unsettled.splice(unsettled.indexOf(item), 1);
      },
  ),
  fc.array(fc.nat(), { maxLength: 3 }).map(
    (numbers): Step =>
      ({ order }, unsettled) => {
        const items = chosen(unsettled, numbers);
        order.remove(items);
        for (const item of items) unsettled.splice(unsettled.indexOf(item), 1);
      },
  ),
  fc.constant<Step>(({ order }) => order.flush()),
);

test('every delivery is written once after it is settled, and ordered writes leave no earlier delivery unsettled', (t) => {
  const property = fc.property(
    fc.array(step, { maxLength: 60 }),
    fc.constantFrom(4, 1000),
    (steps, bound) => {
      const subject = open(bound);
      const unsettled: Item[] = [];
      let seen = 0;
      for (const one of steps) {
        one(subject, unsettled);
        const oldest = Math.min(...unsettled.map(({ number }) => number));
        const fresh = subject.written.slice(seen);
        seen = subject.written.length;
        if (fresh.some(({ numbers, inOrder }) => inOrder && numbers.some((number) => number > oldest)))
          return false;
      }
      subject.order.flush();
      subject.order.stop();
      const all = subject.all();
      return new Set(all).size === all.length && subject.order.size === unsettled.length;
    },
  );
  t.notThrows(() => fc.assert(property, { numRuns: 500 }));
});

test('a settled delivery behind an unsettled one waits for it', (t) => {
  const { order, track, written } = open();
  const [first, second, third] = track(3);
  if (first === undefined || second === undefined || third === undefined)
    throw new Error('three were tracked');
  order.settle([second, third]);
  t.deepEqual(written, []);
  order.settle([first]);
  t.deepEqual(written, [{ numbers: [0, 1, 2], inOrder: true }]);
});

test('a delivery that keeps half of the bound waiting is overtaken, and written singly when it is settled', (t) => {
  const { order, track, written } = open(8);
  const [slow, ...others] = track(6);
  if (slow === undefined) throw new Error('six were tracked');
  order.settle(others.slice(0, 4));
  t.deepEqual(written, [{ numbers: [1, 2, 3, 4], inOrder: false }]);
  order.settle(others.slice(4));
  t.deepEqual(written[1], { numbers: [5], inOrder: false });
  order.settle([slow]);
  t.deepEqual(written[2], { numbers: [0], inOrder: false });
  t.is(order.size, 0);
});

test('a delivery that is unsettled for a second is overtaken', async (t) => {
  const { order, track, written } = open();
  const [, second] = track(2);
  if (second === undefined) throw new Error('two were tracked');
  const started = performance.now();
  order.settle([second]);
  await new Promise<void>((resolve) => {
    const look = setInterval(() => {
      if (written.length === 0) return;
      clearInterval(look);
      resolve();
    }, 10);
  });
  t.deepEqual(written, [{ numbers: [1], inOrder: false }]);
  t.true(performance.now() - started >= 950);
  order.stop();
});

test('without overtaking all deliveries wait for the first, for any number', (t) => {
  const { order, track, written } = open(8, false);
  const [slow, ...others] = track(6);
  if (slow === undefined) throw new Error('six were tracked');
  order.settle(others);
  order.flush();
  t.deepEqual(written, []);
  order.settle([slow]);
  t.deepEqual(written, [{ numbers: [0, 1, 2, 3, 4, 5], inOrder: true }]);
});

test('a delivery that is settled twice is written once', (t) => {
  const { order, track, all } = open();
  const items = track(2);
  order.settle(items);
  order.settle(items);
  t.deepEqual(all(), [0, 1]);
});

test('thousands of deliveries are written in order, and none stays in memory', (t) => {
  const { order, track, all } = open();
  const items = track(5000);
  for (let start = 0; start < items.length; start += 300)
    order.settle(items.slice(start, start + 300).toReversed());
  t.deepEqual(
    all(),
    items.map(({ number }) => number),
  );
  t.is(order.size, 0);
});

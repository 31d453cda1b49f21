import test from 'ava';
import fc from 'fast-check';
import { SettledPrefix } from '../../../src/core/transport/settled-prefix.ts';

/** The same with no thought of speed: every item in order, with whether it is settled. */
class Model {
  private items: Array<{ item: object; settled: boolean }> = [];

  get size(): number {
    return this.items.length;
  }

  get blocked(): boolean {
    return this.items.some(({ settled }) => settled);
  }

  get oldest(): object | undefined {
    return this.items[0]?.item;
  }

  track(item: object): void {
    this.items.push({ item, settled: false });
  }

  settle(item: object): void {
    for (const one of this.items) if (one.item === item) one.settled = true;
  }

  takePrefix(): object[] {
    const first = this.items.findIndex(({ settled }) => !settled);
    return this.items.splice(0, first === -1 ? this.items.length : first).map(({ item }) => item);
  }

  takeAll(): object[] {
    const taken = this.items.filter(({ settled }) => settled);
    this.items = this.items.filter(({ settled }) => !settled);
    return taken.map(({ item }) => item);
  }

  remove(items: ReadonlyArray<object>): void {
    this.items = this.items.filter(({ item }) => !items.includes(item));
  }

  unsettled(): object[] {
    return this.items.filter(({ settled }) => !settled).map(({ item }) => item);
  }

  /** What is tracked now, settled or not. */
  all(): object[] {
    return this.items.map(({ item }) => item);
  }
}

interface Pair {
  readonly real: SettledPrefix<object>;
  readonly model: Model;
}

/** Does one thing to both; `choose` picks among what is tracked. */
type Step = (pair: Pair) => [unknown, unknown] | undefined;

const choice = fc.array(fc.nat(), { maxLength: 5 });

const step: fc.Arbitrary<Step> = fc.oneof(
  fc.integer({ min: 1, max: 8 }).map(
    (count): Step =>
      ({ real, model }) => {
        for (const item of Array.from({ length: count }, () => ({}))) {
          real.track(item);
          model.track(item);
        }
      },
  ),
  choice.map(
    (numbers): Step =>
      ({ real, model }) => {
        for (const item of chosen(model.unsettled(), numbers)) {
          real.settle(item);
          model.settle(item);
        }
      },
  ),
  fc.constant<Step>(({ real, model }) => [real.takePrefix(), model.takePrefix()]),
  fc.constant<Step>(({ real, model }) => [real.takeAll(), model.takeAll()]),
  choice.map(
    (numbers): Step =>
      ({ real, model }) => {
        const items = chosen(model.all(), numbers);
        real.remove(items);
        model.remove(items);
      },
  ),
);

function chosen(items: ReadonlyArray<object>, numbers: ReadonlyArray<number>): object[] {
  const found = numbers.map((number) => items[number % Math.max(1, items.length)]);
  return [...new Set(found.filter((item) => item !== undefined))];
}

const same = (one: unknown, other: unknown) =>
  Array.isArray(one) &&
  Array.isArray(other) &&
  one.length === other.length &&
  one.every((item, index) => item === other[index]);

test('it does what a list of items with a mark each would do, in any order of doing', (t) => {
  const property = fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
    const [real, model] = [new SettledPrefix<object>(), new Model()];
    for (const one of steps) {
      const [taken, expected] = one({ real, model }) ?? [[], []];
      if (!same(taken, expected)) return false;
      if (real.size !== model.size || real.blocked !== model.blocked) return false;
      if (!same(real.unsettled(), model.unsettled()) || real.oldest !== model.oldest) return false;
    }
    return true;
  });
  t.notThrows(() => fc.assert(property, { numRuns: 500 }));
});

test('thousands that come and go are taken in order, and nothing of them stays', (t) => {
  const tracked = new SettledPrefix<{ readonly number: number }>();
  const items = Array.from({ length: 5000 }, (_, number) => ({ number }));
  const taken: number[] = [];
  for (const item of items) tracked.track(item);
  for (let start = 0; start < items.length; start += 300) {
    for (const item of items.slice(start, start + 300).toReversed()) tracked.settle(item);
    taken.push(...tracked.takePrefix().map(({ number }) => number));
    t.is(tracked.size, items.length - taken.length);
  }
  t.deepEqual(
    taken,
    items.map(({ number }) => number),
  );
  t.false(tracked.blocked);
  t.deepEqual(tracked.unsettled(), []);
});

import test from 'ava';
import fc from 'fast-check';
import { gatheringAfter, nextInTurn, planBatches, worthwhile } from '../../../src/core/gateway/batching.ts';

const options = { slots: 4, maxBatch: 100 };
const plan = (waiting: number[], { running = 0, turn = 0, least = worthwhile(running, options) } = {}) =>
  planBatches(options, { running, waiting, turn }, least);

test('a lone message starts at once while nothing runs', (t) => {
  t.deepEqual(plan([1]), { starts: [0], turn: 0, gathers: false });
});

test('messages gather beside a running batch until a batch is full', (t) => {
  t.deepEqual(plan([99], { running: 1 }), { starts: [], turn: 0, gathers: true });
  t.deepEqual(plan([100], { running: 1 }), { starts: [0], turn: 0, gathers: false });
});

test('a backlog starts one batch at once, and further batches only if they are full', (t) => {
  t.deepEqual(plan([150]).starts, [0]);
  t.deepEqual(plan([250]).starts, [0, 0]);
  t.deepEqual(plan([1000]).starts, [0, 0, 0, 0]);
});

test('messages gather after a batch for as long as it has taken, in whole milliseconds, up to the bound', (t) => {
  const times = [0.4, 0.9, 1, 2.9, 3, 500].map((took) => gatheringAfter(took, 3));
  t.deepEqual(times, [0, 0, 1, 2, 3, 3]);
  t.is(gatheringAfter(500, 0), 0);
});

test('the plan takes turns among transports', (t) => {
  t.deepEqual(plan([1000, 1000, 1000]).starts, [1, 2, 0, 1]);
  t.is(nextInTurn([1, 0, 1], 0, 1), 2);
  t.is(nextInTurn([0, 0], 1, 1), undefined);
});

test('no plan exceeds the free slots, or starts an empty batch', (t) => {
  const property = fc.property(
    fc.array(fc.nat({ max: 500 }), { minLength: 1, maxLength: 5 }),
    fc.nat({ max: 6 }),
    fc.nat({ max: 4 }),
    (waiting, running, turn) => {
      const { starts, gathers } = plan(waiting, { running, turn: turn % waiting.length });
      const free = options.slots - running;
      const left = [...waiting];
      for (const start of starts) {
        if ((left[start] ?? 0) === 0) return false;
        left[start] = Math.max(0, (left[start] ?? 0) - options.maxBatch);
      }
      const isLeft = left.some((count) => count > 0);
      return starts.length <= Math.max(0, free) && gathers === (isLeft && starts.length < free);
    },
  );
  t.notThrows(() => fc.assert(property));
});

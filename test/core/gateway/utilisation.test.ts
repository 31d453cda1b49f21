import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import { LoadMeter } from '../../../src/core/gateway/load-meter.ts';
import { Utilisation } from '../../../src/core/gateway/utilisation.ts';

function setUp() {
  const [messages, calls] = [new LoadMeter(), new LoadMeter()];
  const state = { isHeld: false };
  const utilisation = new Utilisation({
    messages,
    mostMessages: 1000,
    calls,
    callSlots: 4,
    isHeld: () => state.isHeld,
  });
  utilisation.take();
  return { messages, calls, state, utilisation };
}

test('slots that are full of messages are in use fully, and small batches hardly', async (t) => {
  const { messages, utilisation } = setUp();
  messages.add(1000);
  await sleep(50);
  utilisation.take();
  t.true(utilisation.parts.batches > 0.8, `${utilisation.parts.batches}`);
  t.is(utilisation.value, Math.max(utilisation.parts.batches, utilisation.parts.mainThread));
  const small = setUp();
  small.messages.add(10);
  await sleep(50);
  small.utilisation.take();
  t.true(small.utilisation.parts.batches <= 0.0101, `${small.utilisation.parts.batches}`);
  t.true(small.utilisation.parts.batches > 0);
});

test('calls that wait for Postgres are in use', async (t) => {
  const { calls, utilisation } = setUp();
  calls.add(1);
  calls.add(1);
  await sleep(50);
  utilisation.take();
  t.true(utilisation.parts.calls > 0.3 && utilisation.parts.calls <= 0.5, `${utilisation.parts.calls}`);
  t.true(utilisation.value >= utilisation.parts.calls);
});

test('the signal keeps its value while messages are held', async (t) => {
  const { messages, state, utilisation } = setUp();
  messages.add(1000);
  await sleep(50);
  utilisation.take();
  const before = utilisation.parts;
  state.isHeld = true;
  messages.add(-1000);
  await sleep(50);
  utilisation.take();
  t.is(utilisation.parts, before);
});

test('a meter sums up what is in use over the time', async (t) => {
  const meter = new LoadMeter();
  meter.add(3);
  const begin = performance.now();
  await sleep(20);
  meter.add(-3);
  const passed = performance.now() - begin;
  t.true(Math.abs(meter.total - 3 * passed) < 3, `${meter.total} of ${3 * passed}`);
  t.is(meter.now, 0);
});

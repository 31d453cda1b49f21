import { mock } from 'node:test';
import test from 'ava';
import fc from 'fast-check';
import { CALL, HELD } from '../../../src/core/message/outcome.ts';
import { type Broker, letters, type Setup, setUp, tick } from './support.ts';

/** One thing that happens; `broker` and `batch` are reduced to those there are. */
type Happening =
  | { readonly kind: 'publish'; readonly broker: number; readonly sizes: number[] }
  | { readonly kind: 'report'; readonly batch: number; readonly outcomes: number[] }
  | { readonly kind: 'call'; readonly outcome: 'answered' | 'refused' | undefined }
  | { readonly kind: 'lose' | 'connect'; readonly broker: number }
  | { readonly kind: 'wait'; readonly milliseconds: number };

const broker = fc.nat(1);
const happening: fc.Arbitrary<Happening> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('publish'),
      broker,
      sizes: fc.array(fc.integer({ min: 5, max: 20 }), { minLength: 1, maxLength: 9 }),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('report'),
      batch: fc.nat(),
      outcomes: fc.array(fc.constantFrom(0, 0, 1, 2, 3, 4, CALL, HELD), { minLength: 1, maxLength: 4 }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('call'),
      outcome: fc.constantFrom('answered', 'refused', undefined),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constantFrom('lose', 'connect'), broker }) },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant('wait'), milliseconds: fc.integer({ min: 1, max: 10 }) }),
  },
);

const slots = 3;
const maxBatch = 4;
const share = { messages: 12, bytes: 150 };
const longest = 20;

test('every message is accounted for at every step, and is done at its broker once in the end', async (t) => {
  mock.timers.enable({ apis: ['setTimeout'] });
  t.teardown(() => mock.timers.reset());
  const property = fc.asyncProperty(fc.array(happening, { maxLength: 60 }), async (happenings) => {
    const setup = await setUp(t, { slots, maxBatch, shares: [share, share] });
    const published = setup.brokers.map((): string[] => []);
    for (const one of happenings) {
      await happen(one, setup, published);
      checkInvariants(setup);
    }
    await finishAll(setup);
    for (const [index, one] of setup.brokers.entries()) {
      const { settled } = one.transport;
      check(
        settled.every(({ settlement }) => settlement === 'done'),
        'a message was given back',
      );
      check(
        `${one.settled('done').toSorted()}` === `${published[index]?.toSorted()}`,
        'not all are done once',
      );
    }
  });
  await t.notThrowsAsync(fc.assert(property, { numRuns: 200 }));
});

async function happen(one: Happening, { workers, brokers }: Setup, published: string[][]): Promise<void> {
  switch (one.kind) {
    case 'publish': {
      const first = published.flat().length;
      const texts = one.sizes.map((size, index) => `${first + index}`.padEnd(size, '.'));
      published[one.broker]?.push(...texts);
      return brokers[one.broker]?.publish(...texts);
    }
    case 'report': {
      const batch = workers.running[one.batch % Math.max(1, workers.running.length)];
      if (batch === undefined) return;
      const codes = Uint8Array.from(
        batch.deliveries,
        (_, index) => one.outcomes[index % one.outcomes.length] ?? 0,
      );
      const dead = letters(...[...codes].filter((code) => code === 4).map(() => 'refused' as const));
      return batch.report({ codes, dead, heldBecause: codes.includes(HELD) ? 'no database' : undefined });
    }
    case 'call':
      return workers.runningCalls[0]?.report({
        outcome: one.outcome,
        ...(one.outcome === undefined && { heldBecause: 'no database' }),
      });
    case 'lose':
      if (brokers[one.broker]?.transport.session !== undefined) brokers[one.broker]?.lose();
      return tick();
    case 'connect':
      if (brokers[one.broker]?.transport.session === undefined) await brokers[one.broker]?.connect();
      return tick();
    case 'wait':
      mock.timers.tick(one.milliseconds);
      return tick();
  }
}

function checkInvariants({ workers, brokers }: Setup): void {
  const { running } = workers;
  check(running.length <= slots, `${running.length} batches run`);
  for (const { deliveries } of running)
    check(deliveries.length <= maxBatch, `${deliveries.length} in a batch`);
  for (const one of brokers) {
    const { counters } = one.inlet;
    check(counters.unexplained === 0, `${counters.unexplained} messages are unexplained`);
    const held = heldOf(one, workers);
    check(counters.held === held.length, `${counters.held} are said to be held, ${held.length} are`);
    const bytes = held.reduce((sum, { length }) => sum + length, 0);
    check(counters.heldBytes === bytes, `${counters.heldBytes} bytes are said to be held, ${bytes} are`);
    check(held.length <= share.messages, `${held.length} messages are held`);
    check(bytes < share.bytes + longest, `${bytes} bytes are held`);
  }
}

/** The bodies in memory: what the open session has not settled, and what still runs of sessions that have ended. */
function heldOf({ transport }: Broker, { running, runningCalls }: Setup['workers']): Uint8Array[] {
  const late = [
    ...running.flatMap(({ transport, deliveries }) => deliveries.map((one) => ({ transport, one }))),
    ...runningCalls.map(({ transport, delivery }) => ({ transport, one: delivery })),
  ]
    .filter((late) => late.transport === transport.name && late.one.session !== transport.session)
    .map(({ one }) => one);
  return [...(transport.session?.held ?? []), ...late.map(({ body }) => body)];
}

/** Not ava's: a failed assertion has to throw, for fast-check to look for a shorter case. */
function check(holds: boolean, otherwise: string): void {
  if (!holds) throw new Error(otherwise);
}

/** Connects who is not connected and applies all there is, until nothing is left. */
async function finishAll({ workers, brokers }: Setup): Promise<void> {
  for (const one of brokers) if (one.transport.session === undefined) await one.connect();
  const left = () => brokers.some(({ transport, inlet }) => transport.queue.length + inlet.counters.held > 0);
  for (let round = 0; left(); round += 1) {
    check(round < 1000, 'messages are left that nobody works at');
    for (const batch of workers.running) await batch.finish();
    for (const call of workers.runningCalls) await call.report({ outcome: 'answered' });
    mock.timers.tick(10);
    await tick();
  }
}

import { mock } from 'node:test';
import test from 'ava';
import type { StatusWaitsOptions } from '../../../src/core/gateway/status-waits.ts';
import { body, type Setup, setUp, silent, tick } from './support.ts';

/** Calls that wait for a status, with a mocked clock and without a database. */

const waitsFor = { instanceId: 'i1', statuses: ['running'], since: '7', timeout: 60_000 };

test.beforeEach(() => mock.timers.enable({ apis: ['setTimeout'] }));
test.afterEach.always(() => mock.timers.reset());

/** One waiting call for each name, and the answers of the looks to come. */
async function waiting(
  t: Parameters<typeof setUp>[0],
  names: readonly string[],
  options: Partial<StatusWaitsOptions> & { timeout?: number; messages?: number } = {},
) {
  const looks: string[][] = [];
  const changes: Record<string, string[]> = {};
  const { timeout = 60_000, messages = 1000, ...waits } = options;
  const setup = await setUp(t, {
    shares: [{ messages }],
    waits: {
      look: async (asked) => {
        looks.push(asked.map(({ instanceId }) => instanceId));
        return asked.flatMap(({ instanceId }, index) => {
          const statuses = changes[instanceId];
          return statuses === undefined ? [] : [{ index, statuses }];
        });
      },
      maxWaiters: 100,
      mayHold: () => true,
      logger: silent,
      ...waits,
    },
  });
  const { broker, workers } = setup;
  for (const name of names) {
    broker.transport.publish(body(`call ${name}`), { replyTo: 'caller', correlationId: name });
    await tick();
    await tellAll(setup);
    await workers.calls
      .find((call) => call.text === `call ${name}` && !call.over)
      ?.report({ outcome: undefined, waitsFor: { ...waitsFor, instanceId: name, timeout } });
  }
  return { ...setup, looks, changes };
}

async function tellAll({ workers }: Setup): Promise<void> {
  while (workers.running.length > 0) await workers.running[0]?.tellCalls();
}

async function pass(milliseconds: number): Promise<void> {
  mock.timers.tick(milliseconds);
  await tick();
}

test.serial('a call that waits has no slot, and nothing is settled', async (t) => {
  const { broker, workers } = await waiting(t, ['i1', 'i2']);
  t.is(workers.calls.length, 2);
  t.is(workers.running.length, 0);
  await broker.publish('call other');
  await workers.only.tellCalls();
  t.is(workers.calls.length, 3);
  t.deepEqual(broker.settled('done'), []);
  t.is(broker.inlet.counters.held, 3);
  t.is(broker.inlet.counters.waiting, 2);
  t.is(broker.inlet.counters.unexplained, 0);
});

test.serial(
  'one look asks for all, and the call whose instance had the status runs again and is answered',
  async (t) => {
    const { broker, workers, looks, changes } = await waiting(t, ['i1', 'i2']);
    changes.i1 = ['building'];
    changes.i2 = ['building', 'running'];
    await pass(250);
    t.deepEqual(looks, [['i1', 'i2']]);
    const again = workers.calls[2];
    t.is(again?.text, 'call i2');
    t.deepEqual(again?.resumption, { since: '7', end: undefined });
    t.is(broker.inlet.counters.waiting, 1);
    await again?.answer('there');
    t.deepEqual(broker.settled('done'), ['call i2']);
    await pass(250);
    t.deepEqual(looks[1], ['i1']);
    t.is(broker.inlet.counters.unexplained, 0);
  },
);

test.serial('without a waiter nobody looks', async (t) => {
  const { looks } = await waiting(t, []);
  await pass(10_000);
  t.deepEqual(looks, []);
});

test.serial('a call whose time is over runs again to say so, also if it had to wait twice', async (t) => {
  const { workers, changes } = await waiting(t, ['i1'], { timeout: -1 });
  changes.i1 = ['running'];
  await pass(250);
  t.deepEqual(workers.calls[1]?.resumption, { since: '7', end: 'over' });
});

test.serial('a call whose caller no longer waits is settled as expired', async (t) => {
  const { broker, workers } = await waiting(t, ['i1']);
  Object.assign(workers.calls[0]?.delivery.meta ?? {}, { deadline: performance.now() - 1 });
  await pass(250);
  t.deepEqual(broker.settled('done'), ['call i1']);
  t.is(broker.inlet.counters.outcomes.expired, 1);
  t.is(broker.inlet.counters.unexplained, 0);
});

test.serial('a look that fails ends no wait', async (t) => {
  let fails = true;
  const { workers } = await waiting(t, ['i1'], {
    look: async () => {
      if (fails) throw new Error('the database is away');
      return [{ index: 0, statuses: ['running'] }];
    },
  });
  await pass(250);
  t.is(workers.calls.length, 1);
  fails = false;
  await pass(250);
  t.is(workers.calls.length, 2);
});

for (const [what, options] of [
  ['beyond maxWaiters', { maxWaiters: 1 }],
  ['beyond half of the room for calls', { messages: 8 }],
  ['over a transport that must acknowledge in order', { mayHold: () => false }],
] as const) {
  test.serial(`a call ${what} runs again to be refused, and keeps no room`, async (t) => {
    const { broker, workers } = await waiting(t, ['i1', 'i2'], options);
    const refused = workers.calls.find(({ resumption }) => resumption?.end === 'busy');
    if (what !== 'over a transport that must acknowledge in order') t.is(refused?.text, 'call i2');
    await refused?.report({ outcome: 'refused', reply: { body: body('busy') } });
    t.is(broker.inlet.counters.outcomes.refused, 1);
    t.is(broker.inlet.counters.unexplained, 0);
  });
}

test.serial('a session that ends takes its waiting calls along', async (t) => {
  const { broker, looks } = await waiting(t, ['i1', 'i2']);
  broker.lose();
  t.is(broker.inlet.counters.held, 0);
  t.is(broker.inlet.counters.released, 2);
  t.is(broker.inlet.counters.waiting, 0);
  await pass(250);
  t.deepEqual(looks, []);
});

test.serial('a stop gives waiting calls back at once, and those that begin to wait meanwhile', async (t) => {
  const { broker, dispatcher, workers } = await waiting(t, ['i1']);
  broker.transport.publish(body('call i2'), { replyTo: 'caller', correlationId: 'i2' });
  await tick();
  await workers.only.tellCalls();
  const idle = dispatcher.idle(AbortSignal.timeout(10_000));
  t.deepEqual(broker.settled('release'), ['call i1']);
  await workers.calls[1]?.report({ outcome: undefined, waitsFor });
  await idle;
  t.deepEqual(broker.settled('release'), ['call i1', 'call i2']);
  t.is(broker.inlet.counters.unexplained, 0);
});

import { randomInt } from 'node:crypto';
import test, { type ExecutionContext } from 'ava';
import { isObject } from '../../src/core/json.ts';
import type { ThreadState } from '../../src/workers/batch/thread-state.ts';
import { type Random, randomOf } from '../faults/harness/random.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';
import { encryptionKey, seal, storeKey } from '../support/secure.ts';
import { needs } from '../support/services.ts';
import { apply, insertInstances, openContext, raw } from '../support/worker.ts';
import { corpus, mutate, substitute } from './mutated-messages.ts';

/** Bodies that nobody would write, in each codec, as a worker takes them. `CONDUCTOR_TEST_FLOOD=1000000` makes the flood longer. */

const withPostgres = needs(test.serial, 'postgres');

const floodSize = Number(process.env.CONDUCTOR_TEST_FLOOD ?? 20_000);
/** Messages of one batch, of which each tenth is good. */
const batchSize = 500;
/** Batches after which the recorded messages are counted and deleted, so that the tables stay small. */
const countEvery = 20;
/** Above any `sent` that a mutation makes of the valid ones. */
const firstSent = 1_700_000_000;
const instance = 'i-1';
const key = 'key-1';

const transports = {
  native: { codec: 'native', auth: 'none' },
  oslo: { codec: 'oslo', auth: 'none' },
  sealed: { codec: 'oslo', auth: 'trove', instRpcKeyEncrKey: encryptionKey },
  event: { codec: 'cloudevents', auth: 'none' },
} as const;

type Codec = keyof typeof transports;

/** A message in the codec's form. */
const write: Record<Codec, (message: string) => string> = {
  native: (message) => message,
  oslo: (message) => JSON.stringify({ 'oslo.version': '2.0', 'oslo.message': message }),
  event: (message) => {
    const { method, args, ...more } = JSON.parse(message);
    const type = method === undefined ? {} : { type: method };
    return JSON.stringify({ specversion: '1.0', id: 'm', source: '/g/i-1', ...type, data: args, ...more });
  },
  sealed: (message) => {
    const { method, args, ...more } = JSON.parse(message);
    return seal(method, isObject(args) ? args : { args: args ?? null }, { instance, key, more });
  },
};

for (const codec of ['native', 'oslo', 'sealed', 'event'] as const)
  withPostgres(
    `${codec}: each mutated message has exactly one outcome, and good messages among them are applied`,
    async (t) => {
      const database = await createDatabase(t, { migrated: true });
      await insertInstances(database, instance);
      await storeKey(database, instance, key);
      const context = openContext(t, database, {
        transports,
        deferred: { firstDelay: 60_000, maxDelay: 60_000, maxAge: 3_600_000, maxRows: 1_000_000 },
        deadLetters: { maxRows: 1_000_000, stormShare: 0.1 },
      });
      const seed = randomInt(2 ** 31);
      t.log(`seed ${seed}`);
      await flood(t, { database, context, codec, random: randomOf(`${seed} ${codec}`) });
    },
  );

interface Flooded {
  readonly database: TestDatabase;
  readonly context: ThreadState;
  readonly codec: Codec;
  readonly random: Random;
}

async function flood(t: ExecutionContext, { database, context, codec, random }: Flooded): Promise<void> {
  const good = corpus(instance);
  const bodies = good.map((message) => Buffer.from(write[codec](message)));
  const hostile = () =>
    random.next() < 0.3
      ? mutate(bodies, random)
      : Buffer.from(write[codec](substitute(random.pick(good), random)));
  let sent = 0;
  let dead = 0;
  const counts: Record<string, number> = {};
  for (let batch = 1; batch * batchSize <= floodSize; batch += 1) {
    const messages = Array.from({ length: batchSize }, (_, index) => {
      if (index % 10 !== 0) return hostile();
      sent += 1;
      return Buffer.from(write[codec](heartbeatSent(firstSent + sent)));
    });
    const outcomes = await apply(
      context,
      messages.map((body) => raw(body)),
      codec,
    );
    for (const [index, outcome] of outcomes.entries()) {
      const known = index % 10 === 0 ? /^applied$/ : /^(applied|stale|duplicate|call|deferred: |dead: )/;
      // Not an assertion for each, which would be slow.
      if (!known.test(outcome) || /crash/.test(outcome))
        t.fail(`${outcome}: ${messages[index]?.toString('latin1')}`);
      counts[outcome] = (counts[outcome] ?? 0) + 1;
      if (outcome.startsWith('dead: ')) dead += 1;
    }
    if (batch % countEvery === 0) {
      t.is(await takeDeadLetters(database), dead);
      dead = 0;
    }
  }
  t.is(await takeDeadLetters(database), dead);
  t.log(counts);
  t.true(Object.keys(counts).length > 5, 'the mutations reach many outcomes');
}

/** Deletes the dead letters, and the deferred messages. Returns the number of the dead ones. */
async function takeDeadLetters(database: TestDatabase): Promise<number> {
  const [row] = await database.query<{ dead: number }>(
    'SELECT coalesce(sum(coalesce(counted, 1)), 0)::integer AS dead FROM dead_letters',
  );
  await database.query('TRUNCATE dead_letters, deferred');
  return row?.dead ?? 0;
}

function heartbeatSent(sent: number): string {
  return JSON.stringify({
    method: 'heartbeat',
    args: { instance_id: instance, sent, payload: { service_status: 'running' } },
  });
}

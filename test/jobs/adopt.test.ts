import ava, { type ExecutionContext } from 'ava';
import { pino } from 'pino';
import type { Adoption } from '../../src/core/gateway/adoption.ts';
import { type AdoptOptions, adoptJob } from '../../src/jobs/adopt.ts';
import { giveSign } from '../../src/jobs/sql/register-replica.ts';
import type { LogLine } from '../support/conductor.ts';
import { createDatabase } from '../support/database.ts';
import { jobsDatabaseOf } from '../support/maintain.ts';
import { needs } from '../support/services.ts';
import { openContext } from '../support/worker.ts';

const test = needs(ava, 'postgres');

test('a session whose broker refuses it is left alone for a while, and the next one has its turn', async (t) => {
  const { job, asked, lines, sessions } = await open(t, ['a', 'b'], async ({ clientId }, _, whileOwned) => {
    if (clientId === 'a') throw new Error('not authorized');
    await whileOwned(async () => true);
    return { end: 'ended', messages: 5 };
  });
  const result = await job.run(new AbortController().signal);
  t.is(result.failedBecause, 'the session a cannot be taken over: not authorized');
  t.deepEqual(asked, ['a', 'b']);
  t.deepEqual(await sessions(), ['a']);
  t.deepEqual(await job.run(new AbortController().signal), {});
  t.deepEqual(asked, ['a', 'b']);
  t.like(
    lines.find(({ messages }) => messages === 5),
    { replica: 'gone b', clientId: 'b', msg: 'took over the messages of a replica that is gone' },
  );
});

test('a session that its owner has taken back is not adopted again at once', async (t) => {
  const { job, asked, sessions } = await open(t, ['a'], async () => ({ end: 'displaced', messages: 1 }));
  await job.run(new AbortController().signal);
  await job.run(new AbortController().signal);
  t.deepEqual(asked, ['a']);
  t.deepEqual(await sessions(), ['a']);
});

test('an owner that gives a sign of life stops the adoption, and its row stays', async (t) => {
  const { job, asked, sessions, revive, lines } = await open(t, ['a'], async (_, signal, whileOwned) => {
    await revive('a');
    let isOwned = false;
    await whileOwned(async () => {
      isOwned = true;
      return true;
    });
    t.false(isOwned);
    if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve));
    return { end: 'unfinished', messages: 0 };
  });
  await job.run(new AbortController().signal);
  t.deepEqual(asked, ['a']);
  t.deepEqual(await sessions(), ['a']);
  t.deepEqual(
    lines.map(({ msg }) => msg),
    ['a replica that was gone has its session again: the rest of its messages is left to it'],
  );
});

test('a session that could not be emptied in one round is adopted further in the next one', async (t) => {
  let rounds = 0;
  const { job, asked, sessions } = await open(
    t,
    ['a'],
    async (_, signal, whileOwned) => {
      rounds += 1;
      if (rounds === 1) {
        await new Promise((resolve) => signal.addEventListener('abort', resolve));
        return { end: 'unfinished', messages: 100 };
      }
      await whileOwned(async () => true);
      return { end: 'ended', messages: 1 };
    },
    200,
  );
  t.deepEqual(await job.run(new AbortController().signal), { isUnfinished: true });
  await job.run(new AbortController().signal);
  t.deepEqual(asked, ['a', 'a']);
  t.deepEqual(await sessions(), []);
});

/** The job of a replica whose peers have left these sessions, and been silent for an hour. */
async function open(
  t: ExecutionContext,
  clientIds: ReadonlyArray<string>,
  adopt: (...given: Parameters<AdoptOptions['adopt']>) => Promise<Adoption>,
  longestRound = 10_000,
) {
  const database = await createDatabase(t, { migrated: true });
  const jobs = jobsDatabaseOf(openContext(t, database));
  const revive = (clientId: string) =>
    jobs.transaction((db) =>
      giveSign(db, {
        replica: `gone ${clientId}`,
        registrations: [{ transport: 'mqtt', kept: { clientId, subscription: 'topic' } }],
        oldestUnsettled: 0,
        isFirst: true,
      }),
    );
  for (const clientId of clientIds) await revive(clientId);
  await database.query("UPDATE replicas SET seen_at = seen_at - interval '1 hour'");
  const asked: string[] = [];
  const lines: LogLine[] = [];
  const job = adoptJob({
    transport: 'mqtt',
    replica: 'peer',
    clientId: 'peer',
    after: 2000,
    longestRound,
    mayAdopt: () => true,
    adopt: (kept, ...rest) => {
      asked.push(kept.clientId);
      return adopt(kept, ...rest);
    },
    database: jobs,
    logger: pino({ base: null }, { write: (line: string) => void lines.push(JSON.parse(line)) }),
  });
  const sessions = async () =>
    (await database.query<{ id: string }>('SELECT client_id AS id FROM replicas ORDER BY client_id')).map(
      ({ id }) => id,
    );
  return { job, asked, lines, sessions, revive };
}

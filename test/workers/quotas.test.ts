import test, { type ExecutionContext } from 'ava';
import fc from 'fast-check';
import { readAccess } from '../../src/core/config/access.ts';
import { Quotas } from '../../src/workers/batch/quotas.ts';
import { runCall } from '../../src/workers/calls/run.ts';
import { createDatabase } from '../support/database.ts';
import { needs } from '../support/services.ts';
import { apply, backup, heartbeat, insertInstances, native, openContext } from '../support/worker.ts';

/** A guest that sends too much: its messages are deferred, then refused, and those of other guests go on. */

const withPostgres = needs(test, 'postgres');

test('a guest never gets more than its rate and its reserve, nor defers more than its burst and its rate', (t) => {
  const gaps = fc.array(fc.nat({ max: 2000 }), { maxLength: 300 });
  fc.assert(
    fc.property(gaps, fc.integer({ min: 1, max: 20 }), fc.nat({ max: 50 }), (waits, perSecond, burst) => {
      const quotas = new Quotas({ perSecond, burst });
      const counts = { now: 0, later: 0, never: 0 };
      let at = 0;
      for (const wait of waits) {
        at += wait;
        counts[quotas.judge('i-1', true, at)] += 1;
      }
      const refilled = (at / 1000) * perSecond;
      return (
        counts.now <= perSecond * 10 + refilled &&
        counts.later <= burst + refilled + 1 &&
        (counts.never === 0 || counts.now + counts.later >= perSecond * 10 + burst - 1)
      );
    }),
  );
  t.pass();
});

test('a guest that keeps to its rate is never over its quota', (t) => {
  const quotas = new Quotas({ perSecond: 10, burst: 0 });
  for (let at = 0; at < 100_000; at += 100) t.is(quotas.judge('i-1', true, at), 'now');
});

const guest = (sender: string) => ({ sender, senderProof: 'subject' }) as const;
const reports = (sender: string, count: number) =>
  Array.from({ length: count }, (_, index) => ({
    ...backup(sender, `${sender}-${index}`, 1, {}),
    ...guest(sender),
  }));

async function start(t: ExecutionContext) {
  const database = await createDatabase(t, { migrated: true });
  await insertInstances(database, 'i-1', 'i-2');
  const context = openContext(t, database, {
    transports: { proven: { codec: 'native', auth: 'subject' }, plain: { codec: 'native', auth: 'none' } },
    quotas: { perSecond: 1, burst: 5 },
    access: readAccess({}, { api: { methods: '*' } }),
    deadLetters: { perSender: 3 },
  });
  return { database, context };
}

const countsOf = (outcomes: ReadonlyArray<string>) =>
  Object.fromEntries(
    [...Map.groupBy(outcomes, (outcome) => outcome)].map(([word, all]) => [word, all.length]),
  );

withPostgres(
  'a flood of one guest is deferred up to its burst, then refused and counted, while another guest is heard',
  async (t) => {
    const { database, context } = await start(t);
    const outcomes = await apply(context, [...reports('i-1', 200), ...reports('i-2', 3)], 'proven');
    // Their backups are unknown, so those that run are deferred too, with another reason.
    t.deepEqual(countsOf(outcomes.slice(0, 200)), {
      'deferred: unknown': 10,
      'deferred: over_quota': 5,
      'dead: over_quota': 185,
    });
    t.deepEqual(countsOf(outcomes.slice(200)), { 'deferred: unknown': 3 });
    const rows = await database.query<{ reason: string }>(
      "SELECT reason FROM deferred WHERE instance_id = 'i-1'",
    );
    t.deepEqual(countsOf(rows.map(({ reason }) => reason)), { unknown: 10, over_quota: 5 });
    // Three whole ones, and one row that counts the others.
    const letters = await database.query('SELECT sender, counted FROM dead_letters ORDER BY id');
    t.is(letters.length, 4);
    t.like(letters.at(-1), { sender: 'i-1', counted: 182 });
  },
);

withPostgres('messages of a batch about one instance count as one', async (t) => {
  const { context } = await start(t);
  const beats = Array.from({ length: 100 }, (_, sent) => ({
    ...heartbeat('i-1', sent + 1, 'running'),
    ...guest('i-1'),
  }));
  t.deepEqual(countsOf(await apply(context, beats, 'proven')), { applied: 100 });
});

withPostgres('a service and a sender without a proof have no quota', async (t) => {
  const { context } = await start(t);
  const asService = reports('i-1', 50).map((one) => ({ ...one, sender: 'api' }));
  t.deepEqual(countsOf(await apply(context, asService, 'proven')), { 'deferred: unknown': 50 });
  t.deepEqual(countsOf(await apply(context, reports('i-2', 50), 'plain')), { 'deferred: unknown': 50 });
});

withPostgres('a guest that calls too often gets Busy', async (t) => {
  const { context } = await start(t);
  const ping = async (sender: string) => {
    const raw = native('ping', {}, { ...guest(sender), isCall: true });
    const { reply } = await runCall({ state: context, raw, transport: 'proven', timeout: 5000 });
    return Object.keys(JSON.parse(Buffer.from(reply?.body ?? '{}').toString()))[0];
  };
  const answers: (string | undefined)[] = [];
  for (let count = 0; count < 15; count += 1) answers.push(await ping('i-1'));
  t.true(answers.slice(0, 10).every((answer) => answer === 'result'));
  t.true(answers.includes('error'));
  t.is(await ping('i-2'), 'result');
});

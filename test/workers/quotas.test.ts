import test, { type ExecutionContext } from 'ava';
import fc from 'fast-check';
import { readAccess } from '../../src/core/config/access.ts';
import { Quotas } from '../../src/workers/batch/quotas.ts';
import { runCall } from '../../src/workers/calls/run.ts';
import type { WorkerSettings } from '../../src/workers/settings.ts';
import { createDatabase } from '../support/database.ts';
import { needs } from '../support/services.ts';
import { apply, backup, heartbeat, insertInstances, native, openContext } from '../support/worker.ts';

/** A guest that sends too much: its messages are deferred, then refused, and those of other guests go on. */

const withPostgres = needs(test, 'postgres');

test('a guest never gets more than its rate and its reserve, nor defers more than its burst and its rate', (t) => {
  const gaps = fc.array(fc.nat({ max: 2000 }), { maxLength: 300 });
  fc.assert(
    fc.property(gaps, fc.integer({ min: 1, max: 20 }), fc.nat({ max: 50 }), (waits, perSecond, burst) => {
      const quotas = new Quotas({ perSecond, bytesPerSecond: 0, burst });
      const counts = { now: 0, later: 0, never: 0 };
      let at = 0;
      for (const wait of waits) {
        at += wait;
        counts[quotas.judge('i-1', 100, true, at)] += 1;
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
  const quotas = new Quotas({ perSecond: 10, bytesPerSecond: 1000, burst: 0 });
  for (let at = 0; at < 100_000; at += 100) t.is(quotas.judge('i-1', 100, true, at), 'now');
});

test('a guest never gets more bytes than its rate, its reserve and one message, nor defers more', (t) => {
  const messages = fc.array(fc.tuple(fc.nat({ max: 500 }), fc.nat({ max: 5000 })), { maxLength: 300 });
  fc.assert(
    fc.property(messages, fc.integer({ min: 1, max: 1000 }), (list, bytesPerSecond) => {
      const quotas = new Quotas({ perSecond: 0, bytesPerSecond, burst: 1_000_000 });
      const bytes = { now: 0, later: 0, never: 0 };
      let at = 0;
      for (const [wait, size] of list) {
        at += wait;
        bytes[quotas.judge('i-1', size, true, at)] += size;
      }
      const refilled = (at / 1000) * bytesPerSecond;
      return (
        bytes.now <= bytesPerSecond * 10 + refilled + 5000 &&
        bytes.later <= bytesPerSecond * 10 + refilled + 1
      );
    }),
  );
  t.pass();
});

test('a rate of 0 is no quota', (t) => {
  t.false(new Quotas({ perSecond: 0, bytesPerSecond: 0, burst: 0 }).isOn);
  const quotas = new Quotas({ perSecond: 0, bytesPerSecond: 10, burst: 0 });
  for (let count = 0; count < 1000; count += 1) t.is(quotas.judge('i-1', 0, true, 0), 'now');
  t.is(quotas.judge('i-1', 101, true, 0), 'now');
  t.is(quotas.judge('i-1', 1, false, 0), 'never');
});

const guest = (sender: string) => ({ sender, senderProof: 'subject' }) as const;
const reports = (sender: string, count: number) =>
  Array.from({ length: count }, (_, index) => ({
    ...backup(sender, `${sender}-${index}`, 1, {}),
    ...guest(sender),
  }));

async function start(t: ExecutionContext, quotas: Partial<WorkerSettings['quotas']> = {}) {
  const database = await createDatabase(t, { migrated: true });
  await insertInstances(database, 'i-1', 'i-2');
  const context = openContext(t, database, {
    transports: { proven: { codec: 'native', auth: 'subject' }, plain: { codec: 'native', auth: 'none' } },
    quotas: { perSecond: 1, bytesPerSecond: 0, burst: 5, ...quotas },
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

withPostgres(
  'heartbeats over the quota leave one row with the newest status, however many come',
  async (t) => {
    // The first one is larger than the bytes of minutes.
    const { database, context } = await start(t, { perSecond: 0, bytesPerSecond: 1 });
    const beats = (from: number, count: number, status?: string) =>
      Array.from({ length: count }, (_, index) => ({
        ...heartbeat('i-1', from + index, status),
        ...guest('i-1'),
      }));
    t.deepEqual(await apply(context, beats(1, 1, 'running'), 'proven'), ['applied']);
    const over = [...beats(200, 50, 'running'), ...beats(300, 50, 'crashed'), ...beats(400, 50)];
    t.deepEqual(countsOf(await apply(context, over, 'proven')), {
      superseded: 149,
      'deferred: over_quota': 1,
    });
    t.deepEqual(countsOf(await apply(context, beats(500, 50, 'healthy'), 'proven')), {
      superseded: 49,
      'deferred: over_quota': 1,
    });
    const [row, ...more] = await database.query('SELECT key, sent, args FROM deferred');
    t.like(row, { key: 'i-1', sent: 549, args: { payload: { service_status: 'healthy' } } });
    t.deepEqual(more, []);
    t.deepEqual(await database.query('SELECT FROM dead_letters'), []);
  },
);

withPostgres(
  'a heartbeat over the quota does not supersede RESTART_REQUIRED, nor one with a newer sent',
  async (t) => {
    const { database, context } = await start(t, { perSecond: 0, bytesPerSecond: 1 });
    const beat = (sent: number | undefined, status: string) => ({
      ...heartbeat('i-1', sent, status),
      ...guest('i-1'),
    });
    t.deepEqual(await apply(context, [beat(1, 'running')], 'proven'), ['applied']);
    const outcomes = await apply(
      context,
      [
        beat(5, 'restart required'),
        beat(4, 'crashed'),
        beat(9, 'running'),
        beat(9, 'healthy'),
        beat(8, 'paused'),
      ],
      'proven',
    );
    t.deepEqual(outcomes, [
      'deferred: over_quota',
      'superseded',
      'deferred: over_quota',
      'superseded',
      'superseded',
    ]);
    const [row] = await database.query('SELECT sent, args FROM deferred');
    t.like(row, { sent: 9, args: { payload: { service_status: 'restart required' } } });
  },
);

withPostgres(
  'a guest that sends too many bytes is over its quota, a small message of another is not',
  async (t) => {
    const { context } = await start(t, { perSecond: 0, bytesPerSecond: 200 });
    const large = (id: string) => ({
      ...backup('i-1', id, 1, { location: 'x'.repeat(1000) }),
      ...guest('i-1'),
    });
    t.deepEqual(await apply(context, [...['a', 'b', 'c', 'd'].map(large), ...reports('i-2', 1)], 'proven'), [
      'deferred: unknown',
      'deferred: unknown',
      'deferred: over_quota',
      'dead: over_quota',
      'deferred: unknown',
    ]);
  },
);

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

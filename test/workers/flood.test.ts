import ava from 'ava';
import fc from 'fast-check';
import { LetterFlood, sumUp, type Verdict } from '../../src/workers/batch/leftovers/flood.ts';
import { createDatabase } from '../support/database.ts';
import { needs } from '../support/services.ts';
import { apply, heartbeat, insertInstances, native, openContext, raw } from '../support/worker.ts';

const test = needs(ava, 'postgres');

const rows = `
  SELECT reason, sender, instance_id, counted, body IS NULL AS bodyless, count(*)::integer AS rows
  FROM dead_letters GROUP BY 1, 2, 3, 4, 5 ORDER BY 1, 2, 3, 4 NULLS FIRST`;

test("of a flood of one sender's mistakes the first are kept whole, the others are counted in one row", async (t) => {
  const database = await createDatabase(t, { migrated: true });
  const context = openContext(t, database, { deadLetters: { perSender: 3 } });
  const from = (sender: string) => native('none', {}, { sender });
  for (let round = 0; round < 4; round += 1)
    await apply(context, [
      ...Array.from({ length: 25 }, () => from('loud')),
      ...(round === 3 ? [from('calm')] : []),
    ]);
  t.deepEqual(await database.query(rows), [
    { reason: 'unknown_method', sender: 'calm', instance_id: null, counted: null, bodyless: false, rows: 1 },
    { reason: 'unknown_method', sender: 'loud', instance_id: null, counted: null, bodyless: false, rows: 3 },
    { reason: 'unknown_method', sender: 'loud', instance_id: null, counted: 97, bodyless: true, rows: 1 },
  ]);
});

test('a flood counts each reason by itself, and senders that are not proven by the instance that they name', async (t) => {
  const database = await createDatabase(t, { migrated: true });
  const context = openContext(t, database, { deadLetters: { perSender: 1 } });
  const bad = (instance: string) => native('heartbeat', { instance_id: instance, sent: 'x' });
  await apply(context, [bad('i1'), raw('{'), bad('i2'), bad('i1'), raw('{'), bad('i1')]);
  t.deepEqual(
    (await database.query(rows)).map(({ reason, instance_id, counted }) => [reason, instance_id, counted]),
    [
      ['bad_argument', 'i1', null],
      ['bad_argument', 'i1', 2],
      ['bad_argument', 'i2', null],
      ['not_json', null, null],
      ['not_json', null, 1],
    ],
  );
});

test('senders that are ever new cannot fill the table: all of them together have a bound', async (t) => {
  const database = await createDatabase(t, { migrated: true });
  const context = openContext(t, database, { deadLetters: { perSender: 3, maxRows: 1000 } });
  await apply(
    context,
    Array.from({ length: 500 }, (_, index) => native('none', {}, { sender: `s${index}` })),
  );
  const [whole, ...counted] = await database.query(
    'SELECT counted, count(*)::integer AS rows FROM dead_letters GROUP BY counted ORDER BY counted NULLS FIRST',
  );
  t.deepEqual([whole, counted], [{ counted: null, rows: 10 }, [{ counted: 490, rows: 1 }]]);
});

test('letters that are no mistake of their senders are all kept whole', async (t) => {
  const database = await createDatabase(t, { migrated: true });
  const context = openContext(t, database, { deadLetters: { perSender: 1, stormShare: 1 } });
  await insertInstances(database, 'i1', 'i2');
  await database.query("ALTER TABLE service_statuses ADD CHECK (status_description <> 'crashed')");
  const batch = [
    heartbeat('i2', 1, 'running'),
    ...[1, 2, 3, 4].map((sent) => heartbeat('i1', sent, 'crashed')),
  ];
  await apply(context, batch);
  t.deepEqual(
    await database.query('SELECT reason, counted FROM dead_letters'),
    Array(4).fill({ reason: 'refused', counted: null }),
  );
});

test('a row that counts and is locked by another session delays no batch: a further row counts', async (t) => {
  const database = await createDatabase(t, { migrated: true });
  const context = openContext(t, database, { deadLetters: { perSender: 1 } });
  await apply(context, [raw('{'), raw('{')]);
  const locker = await context.pool.connect();
  try {
    await locker.query('BEGIN');
    await locker.query('SELECT FROM dead_letters FOR UPDATE');
    t.deepEqual(await apply(context, [raw('{')]), ['dead: not_json']);
  } finally {
    await locker.query('ROLLBACK');
    locker.release();
  }
  await apply(context, [raw('{')]);
  t.deepEqual(
    await database.query('SELECT counted FROM dead_letters WHERE counted IS NOT NULL ORDER BY id'),
    [{ counted: 1 }, { counted: 2 }],
  );
});

ava('each message of a flood is kept whole or counted once, within the bounds of each minute', (t) => {
  const message = fc.record({
    sender: fc.constantFrom('a', 'b', null),
    instanceId: fc.constantFrom('i1', 'i2', null),
    reason: fc.constantFrom('not_json' as const, 'forbidden' as const, 'refused' as const),
    after: fc.nat(30_000),
  });
  fc.assert(
    fc.property(
      fc.array(message, { maxLength: 300 }),
      fc.integer({ min: 1, max: 5 }),
      (messages, perSender) => {
        const flood = new LetterFlood({ perSender, maxRows: 1000 });
        let now = 0;
        const whole = new Map<string, number>();
        const counted: Exclude<Verdict, 'whole'>[] = [];
        let kept = 0;
        for (const { after, ...origin } of messages) {
          now += after;
          const item = {};
          const verdict = flood.judge(item, { transport: 'x', ...origin }, now);
          t.is(flood.judge(item, { transport: 'x', ...origin }, now + 120_000), verdict);
          if (verdict !== 'whole') counted.push(verdict);
          else if (origin.reason !== 'refused') {
            const name = JSON.stringify([
              origin.reason,
              origin.sender,
              origin.sender ?? origin.instanceId,
              Math.floor(now / 60_000),
            ]);
            whole.set(name, (whole.get(name) ?? 0) + 1);
            kept += 1;
          } else kept += 1;
        }
        t.is(sumUp(counted).reduce((sum, { count }) => sum + count, 0) + kept, messages.length);
        t.true(counted.every(({ reason }) => reason !== 'refused'));
        // A window does not begin with a minute of the clock, so two may meet in one.
        for (const count of whole.values()) t.true(count <= 2 * perSender);
      },
    ),
  );
});

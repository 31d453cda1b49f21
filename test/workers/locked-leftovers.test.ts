import test, { type ExecutionContext } from 'ava';
import { lockWith } from '../faults/databases.ts';
import { createDatabase } from '../support/database.ts';
import { apply, heartbeat, insertInstances, openContext, raw, statusOf } from '../support/worker.ts';

/** Another session holds what a leftover has to be written to: the message is held. It is at fault for nothing. */

async function prepared(t: ExecutionContext, times: object = { lockTimeout: 40 }) {
  const database = await createDatabase(t, { migrated: true });
  await insertInstances(database, 'i1', 'i2');
  const context = openContext(t, database, { database: times });
  const letters = () => database.query('SELECT reason, detail FROM dead_letters');
  return { database, context, letters };
}

for (const [limit, times] of [
  ['lock timeout', { lockTimeout: 40 }],
  ['statement timeout', { lockTimeout: 60_000, statementTimeout: 400 }],
] as const)
  test(`${limit}: a message whose row in deferred is locked is held, the others are applied, and it is deferred once the lock is gone`, async (t) => {
    const { database, context, letters } = await prepared(t, times);
    t.deepEqual(await apply(context, [heartbeat('late', 10, 'running')]), ['deferred: unknown']);
    const { release } = await lockWith(t, database, 'SELECT FROM deferred FOR UPDATE');
    const batch = [heartbeat('i1', 10, 'running'), heartbeat('late', 20, 'healthy')];
    const [applied, held] = await apply(context, batch);
    t.is(applied, 'applied');
    t.regex(held ?? '', new RegExp(`^held: .*${limit}`));
    t.deepEqual(await letters(), []);
    await release();
    t.deepEqual(await apply(context, [heartbeat('late', 20, 'healthy')]), ['deferred: unknown']);
    t.deepEqual(await database.query("SELECT args -> 'payload' AS payload FROM deferred"), [
      { payload: { service_status: 'healthy' } },
    ]);
  });

test('a message about a locked row is held while its row in deferred is locked too', async (t) => {
  const { database, context, letters } = await prepared(t);
  const status = await lockWith(t, database, "SELECT FROM instances WHERE id = 'i1' FOR UPDATE");
  await apply(context, [heartbeat('i1', 10, 'running')]);
  await status.release();
  await apply(context, [heartbeat('i1', 11, 'running')]);
  const locks = [
    await lockWith(t, database, "SELECT FROM service_statuses WHERE instance_id = 'i1' FOR UPDATE"),
    await lockWith(t, database, 'LOCK TABLE deferred IN EXCLUSIVE MODE'),
  ];
  const [held, applied] = await apply(context, [
    heartbeat('i1', 20, 'healthy'),
    heartbeat('i2', 20, 'healthy'),
  ]);
  t.regex(held ?? '', /^held: .*lock timeout/);
  t.is(applied, 'applied');
  t.deepEqual(await letters(), []);
  for (const { release } of locks) await release();
  t.deepEqual(await apply(context, [heartbeat('i1', 20, 'healthy')]), ['applied']);
  t.like(await statusOf(database, 'i1'), { status_description: 'healthy' });
});

test('a bad message is held while dead_letters is locked, and keeps its detail afterwards', async (t) => {
  const { database, context, letters } = await prepared(t);
  const { release } = await lockWith(t, database, 'LOCK TABLE dead_letters IN EXCLUSIVE MODE');
  const [held, applied] = await apply(context, [raw('{'), heartbeat('i2', 20, 'healthy')]);
  t.regex(held ?? '', /^held: .*lock timeout/);
  t.is(applied, 'applied');
  await release();
  t.deepEqual(await apply(context, [raw('{')]), ['dead: not_json']);
  const [letter] = await letters();
  t.is(letter?.reason, 'not_json');
  t.regex(String(letter?.detail), /not JSON/);
});

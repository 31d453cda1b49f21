import test from 'ava';
import { statuses } from '../../src/workers/methods/statuses.ts';
import { createDatabase } from '../support/database.ts';
import { apply, heartbeat, insertInstances, native, openContext, raw, statusOf } from '../support/worker.ts';

test('a heartbeat writes the status, its code and the time in UTC', async (t) => {
  const database = await createDatabase(t, { migrated: true });
  const context = openContext(t, database);
  await insertInstances(database, 'i1');
  t.deepEqual(await apply(context, [heartbeat('i1', 100.5, 'running')]), ['applied']);
  const row = await statusOf(database, 'i1');
  t.is(row?.status_id, 1);
  t.is(row?.status_description, 'running');
  t.is(row?.sent, 100.5);
  // The server's time zone is neither ours nor UTC.
  t.true(Math.abs(row?.age ?? 1000) < 60);
});

test('every status word of Trove is accepted with its code', async (t) => {
  const database = await createDatabase(t, { migrated: true });
  const context = openContext(t, database);
  const words = [...statuses.keys()];
  await insertInstances(database, ...words);
  const outcomes = await apply(
    context,
    words.map((word) => heartbeat(word, 1, word)),
  );
  t.true(outcomes.every((outcome) => outcome === 'applied'));
  const rows = await database.query(
    'SELECT instance_id, status_id, status_description FROM service_statuses',
  );
  t.is(rows.length, 19);
  for (const row of rows) {
    t.is(row.status_description, row.instance_id);
    t.is(row.status_id, statuses.get(row.instance_id)?.id);
  }
});

test('a newer heartbeat is applied, an older one is stale, one with the same `sent` is a duplicate', async (t) => {
  const database = await createDatabase(t, { migrated: true });
  const context = openContext(t, database);
  await insertInstances(database, 'i1');
  t.deepEqual(await apply(context, [heartbeat('i1', 10, 'building')]), ['applied']);
  t.deepEqual(await apply(context, [heartbeat('i1', 20, 'running')]), ['applied']);
  t.deepEqual(await apply(context, [heartbeat('i1', 15, 'crashed')]), ['stale']);
  t.deepEqual(await apply(context, [heartbeat('i1', 20, 'crashed')]), ['duplicate']);
  t.like(await statusOf(database, 'i1'), { status_description: 'running', sent: 20 });
});

test('in one batch the newest heartbeat wins, and every message has the outcome that it would have alone', async (t) => {
  const database = await createDatabase(t, { migrated: true });
  const context = openContext(t, database);
  await insertInstances(database, 'i1', 'i2');
  await apply(context, [heartbeat('i1', 10, 'building')]);
  const batch = [
    heartbeat('i1', 30, 'running'),
    heartbeat('i1', 5, 'crashed'),
    heartbeat('i2', 1, 'running'),
    heartbeat('i1', 20, 'shutdown'),
    heartbeat('i1', 30, 'crashed'),
    heartbeat('i1', 10, 'crashed'),
  ];
  t.deepEqual(await apply(context, batch), [
    'applied',
    'stale',
    'applied',
    'applied',
    'duplicate',
    'duplicate',
  ]);
  t.like(await statusOf(database, 'i1'), { status_description: 'running', sent: 30 });
});

test('a heartbeat without a status only updates the last contact', async (t) => {
  const database = await createDatabase(t, { migrated: true });
  const context = openContext(t, database);
  await insertInstances(database, 'i1');
  await apply(context, [heartbeat('i1', 10, 'running')]);
  await database.query("UPDATE service_statuses SET updated_at = '2001-01-01'");
  t.deepEqual(await apply(context, [heartbeat('i1', 99)]), ['applied']);
  const row = await statusOf(database, 'i1');
  t.like(row, { status_description: 'running', sent: 10 });
  t.true((row?.age ?? 1000) < 60);
  t.deepEqual(await apply(context, [heartbeat('i1', 50, 'crashed')]), ['applied']);
});

test('the first heartbeat of an instance without a row may lack a status: the status is NEW', async (t) => {
  const database = await createDatabase(t, { migrated: true });
  const context = openContext(t, database);
  await insertInstances(database, 'i1');
  t.deepEqual(await apply(context, [heartbeat('i1', 10)]), ['applied']);
  t.like(await statusOf(database, 'i1'), { status_id: 0x17, sent: Number.NEGATIVE_INFINITY });
});

test('no heartbeat overwrites RESTART_REQUIRED, in one batch or in the next', async (t) => {
  const database = await createDatabase(t, { migrated: true });
  const context = openContext(t, database);
  await insertInstances(database, 'i1');
  const batch = [heartbeat('i1', 10, 'restart required'), heartbeat('i1', 20, 'running')];
  t.deepEqual(await apply(context, batch), ['applied', 'applied']);
  t.like(await statusOf(database, 'i1'), { status_id: 0x20, sent: 20 });
  t.deepEqual(await apply(context, [heartbeat('i1', 30, 'healthy')]), ['applied']);
  t.like(await statusOf(database, 'i1'), { status_id: 0x20, status_description: 'restart required' });
});

test('a stale RESTART_REQUIRED does not absorb later messages of its batch', async (t) => {
  const database = await createDatabase(t, { migrated: true });
  const context = openContext(t, database);
  await insertInstances(database, 'i1');
  await apply(context, [heartbeat('i1', 15, 'building')]);
  const batch = [heartbeat('i1', 10, 'restart required'), heartbeat('i1', 20, 'running')];
  t.deepEqual(await apply(context, batch), ['stale', 'applied']);
  t.like(await statusOf(database, 'i1'), { status_description: 'running', sent: 20 });
});

test('a guest whose clock once ran ahead is not muted for ever', async (t) => {
  const database = await createDatabase(t, { migrated: true });
  const context = openContext(t, database);
  await insertInstances(database, 'ahead', 'slightly');
  const now = Date.now() / 1000;
  await apply(context, [
    heartbeat('ahead', now + 3600, 'running'),
    heartbeat('slightly', now + 30, 'running'),
  ]);
  const later = [heartbeat('ahead', now, 'shutdown'), heartbeat('slightly', now, 'shutdown')];
  t.deepEqual(await apply(context, later), ['applied', 'stale']);
  t.like(await statusOf(database, 'ahead'), { status_description: 'shutdown', sent: now });
  // Set right, it guards again.
  t.deepEqual(await apply(context, [heartbeat('ahead', now - 1, 'crashed')]), ['stale']);
});

test('the repetition of a message with `sent` in the future is a duplicate', async (t) => {
  const database = await createDatabase(t, { migrated: true });
  const context = openContext(t, database);
  await insertInstances(database, 'i1');
  const message = heartbeat('i1', Date.now() / 1000 + 3600, 'running');
  t.deepEqual(await apply(context, [message]), ['applied']);
  t.deepEqual(await apply(context, [message]), ['duplicate']);
});

test('a heartbeat of a soft-deleted instance is stale and writes nothing', async (t) => {
  const database = await createDatabase(t, { migrated: true });
  const context = openContext(t, database);
  await insertInstances(database, 'i1');
  await database.query('UPDATE instances SET deleted = true');
  t.deepEqual(await apply(context, [heartbeat('i1', 10, 'running')]), ['stale']);
  t.is(await statusOf(database, 'i1'), undefined);
});

test('oslo heartbeats without sent are applied and do not move the guard; native ones are dead', async (t) => {
  const database = await createDatabase(t, { migrated: true });
  const context = openContext(t, database);
  await insertInstances(database, 'i1');
  await apply(context, [heartbeat('i1', 10, 'building')]);
  const args = { instance_id: 'i1', payload: { service_status: 'running' } };
  const message = JSON.stringify({ method: 'heartbeat', args, version: '1.0' });
  const oslo = raw(JSON.stringify({ 'oslo.version': '2.0', 'oslo.message': message }));
  t.deepEqual(await apply(context, [oslo], 'oslo'), ['applied']);
  t.like(await statusOf(database, 'i1'), { status_description: 'running', sent: 10 });
  t.deepEqual(await apply(context, [native('heartbeat', args)]), ['dead: bad_argument']);
});

test('with autoRegister an unknown instance gets a row with its status', async (t) => {
  const database = await createDatabase(t, { migrated: true });
  const context = openContext(t, database, { autoRegister: true });
  t.deepEqual(await apply(context, [heartbeat('i1', 10, 'running'), heartbeat('i1', 5, 'building')]), [
    'applied',
    'applied',
  ]);
  t.like(await statusOf(database, 'i1'), { status_description: 'running', sent: 10 });
  const [instance] = await database.query(
    'SELECT id, name, deleted, created IS NOT NULL AS dated FROM instances',
  );
  t.deepEqual(instance, { id: 'i1', name: 'i1', deleted: false, dated: true });
});

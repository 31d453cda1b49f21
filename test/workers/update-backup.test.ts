import test from 'ava';
import { createDatabase } from '../support/database.ts';
import { apply, backup, insertBackup, insertInstances, openContext } from '../support/worker.ts';

async function setUp(t: Parameters<typeof createDatabase>[0] & Parameters<typeof openContext>[0]) {
  const database = await createDatabase(t, { migrated: true });
  await insertInstances(database, 'i1', 'i2');
  await insertBackup(database, 'b1', 'i1');
  await insertBackup(database, 'b2', 'i1');
  const row = async (id: string) => (await database.query('SELECT * FROM backups WHERE id = $1', [id]))[0];
  return { database, context: openContext(t, database), row };
}

test('known columns are written; unknown fields, and columns that guests may not change, are ignored', async (t) => {
  const { context, row } = await setUp(t);
  const fields = {
    state: 'COMPLETED',
    size: 0.14,
    checksum: 'd41d8cd98f00b204e9800998ecf8427e',
    location: 'http://swift.example/b1',
    backup_type: 'full',
    success: true,
    tenant_id: 'somebody-else',
    deleted: true,
    name: 'renamed',
  };
  t.deepEqual(await apply(context, [backup('i1', 'b1', 10, fields)]), ['applied']);
  const { state, size, checksum, location, backup_type } = fields;
  t.like(await row('b1'), {
    state,
    size,
    checksum,
    location,
    backup_type,
    sent: 10,
    name: 'b1',
    tenant_id: null,
    deleted: false,
  });
});

test('partial updates merge in one batch and over several; null clears a column, an absent field keeps it', async (t) => {
  const { context, row } = await setUp(t);
  const batch = [
    backup('i1', 'b1', 20, { state: 'COMPLETED', size: 2 }),
    backup('i1', 'b1', 10, { size: 1, location: 'there' }),
  ];
  t.deepEqual(await apply(context, batch), ['applied', 'applied']);
  t.like(await row('b1'), { state: 'COMPLETED', size: 2, location: 'there', sent: 20 });
  t.deepEqual(await apply(context, [backup('i1', 'b1', 30, { location: null, checksum: 'c' })]), ['applied']);
  t.like(await row('b1'), { state: 'COMPLETED', size: 2, location: null, checksum: 'c' });
});

test('each backup has its own guard: a newer message about one does not block an older one about another', async (t) => {
  const { context, row } = await setUp(t);
  t.deepEqual(await apply(context, [backup('i1', 'b1', 20, { state: 'COMPLETED' })]), ['applied']);
  t.deepEqual(await apply(context, [backup('i1', 'b2', 10, { state: 'BUILDING' })]), ['applied']);
  t.deepEqual(
    await apply(context, [
      backup('i1', 'b1', 19, { state: 'FAILED' }),
      backup('i1', 'b1', 20, { state: 'FAILED' }),
    ]),
    ['stale', 'duplicate'],
  );
  t.like(await row('b1'), { state: 'COMPLETED' });
  t.like(await row('b2'), { state: 'BUILDING' });
});

test('the stale part of a batch has no effect on its newer part', async (t) => {
  const { context, row } = await setUp(t);
  await apply(context, [backup('i1', 'b1', 15, { state: 'BUILDING', location: 'right' })]);
  const batch = [
    backup('i1', 'b1', 10, { location: 'stale' }),
    backup('i1', 'b1', 20, { state: 'COMPLETED' }),
  ];
  t.deepEqual(await apply(context, batch), ['stale', 'applied']);
  t.like(await row('b1'), { state: 'COMPLETED', location: 'right', sent: 20 });
});

test("an update of another instance's backup changes nothing and becomes a dead letter with the reason", async (t) => {
  const { context, database, row } = await setUp(t);
  const batch = [backup('i2', 'b1', 10, { state: 'FAILED' }), backup('i1', 'b1', 5, { state: 'BUILDING' })];
  t.deepEqual(await apply(context, batch), ['dead: foreign_backup', 'applied']);
  t.like(await row('b1'), { state: 'BUILDING', sent: 5 });
  const [letter] = await database.query('SELECT * FROM dead_letters');
  t.like(letter, {
    reason: 'foreign_backup',
    method: 'update_backup',
    instance_id: 'i2',
    transport: 'plain',
  });
});

test('a soft-deleted backup, and any backup of a soft-deleted instance, is not changed', async (t) => {
  const { context, database, row } = await setUp(t);
  await database.query("UPDATE backups SET deleted = true WHERE id = 'b1'");
  t.deepEqual(await apply(context, [backup('i1', 'b1', 10, { state: 'FAILED' })]), ['stale']);
  await database.query("UPDATE instances SET deleted = true WHERE id = 'i1'");
  t.deepEqual(await apply(context, [backup('i1', 'b2', 10, { state: 'FAILED' })]), ['stale']);
  t.like(await row('b1'), { state: 'NEW' });
  t.like(await row('b2'), { state: 'NEW' });
});

test('an update of an unknown backup is deferred and never inserts a row', async (t) => {
  const { context, database } = await setUp(t);
  t.deepEqual(await apply(context, [backup('i1', 'b9', 10, { state: 'NEW' })]), ['deferred: unknown']);
  t.is((await database.query('SELECT FROM backups')).length, 2);
});

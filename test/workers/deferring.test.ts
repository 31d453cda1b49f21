import ava from 'ava';
import { lockWith } from '../faults/databases.ts';
import { createDatabase } from '../support/database.ts';
import { maintain } from '../support/maintain.ts';
import { needs } from '../support/services.ts';
import { waitFor } from '../support/wait.ts';
import {
  apply,
  backup,
  heartbeat,
  insertBackup,
  insertInstances,
  native,
  openContext,
  raw,
  statusOf,
} from '../support/worker.ts';

const test = needs(ava, 'postgres');

/** In oslo's form, whose messages need no `sent`. */
function osloBackup(id: string, fields: object, uniqueId = 'u1') {
  const args = { instance_id: 'i1', backup_id: id, ...fields };
  const message = { method: 'update_backup', args, version: '1.0', _unique_id: uniqueId };
  return raw(JSON.stringify({ 'oslo.version': '2.0', 'oslo.message': JSON.stringify(message) }));
}

test('a message about a locked row never dies of age, and is applied once the row is free', async (t) => {
  const database = await createDatabase(t, { migrated: true });
  const context = openContext(t, database, {
    database: { lockTimeout: 40 },
    deferred: { firstDelay: 1, maxDelay: 1, maxAge: 1, maxRows: 1 },
  });
  await insertInstances(database, 'i1', 'i2');
  await apply(context, [heartbeat('i1', 1, 'building'), heartbeat('i2', 1, 'building')]);
  const rows = await lockWith(t, database, 'SELECT FROM service_statuses FOR UPDATE');
  const outcomes = await apply(context, [heartbeat('i1', 2, 'running'), heartbeat('i2', 2, 'running')]);
  t.deepEqual(outcomes, ['deferred: locked', 'deferred: locked']);
  for (let round = 0; round < 3; round += 1)
    await waitFor(async () => (await maintain(context)).retried > 0, { what: 'a retry under the lock' });
  t.is((await database.query('SELECT FROM deferred')).length, 2);
  await rows.release();
  const applied = async () => {
    await maintain(context);
    return (await statusOf(database, 'i2'))?.sent === 2;
  };
  await waitFor(applied, { what: 'it to be applied' });
  t.deepEqual(await database.query('SELECT FROM dead_letters'), []);
});

test('a row that was locked a moment ago makes the next batch wait no longer', async (t) => {
  const database = await createDatabase(t, { migrated: true });
  const context = openContext(t, database, { database: { lockTimeout: 5000 } });
  await insertInstances(database, 'i1', 'i2');
  await apply(context, [heartbeat('i1', 1, 'building'), heartbeat('i2', 1, 'building')]);
  await lockWith(t, database, "SELECT FROM service_statuses WHERE instance_id = 'i1' FOR UPDATE");
  const both = (sent: number) =>
    apply(context, [heartbeat('i1', sent, 'running'), heartbeat('i2', sent, 'running')]);
  t.deepEqual(await both(2), ['deferred: locked', 'applied']);
  const begin = performance.now();
  t.deepEqual(await both(3), ['deferred: locked', 'applied']);
  const taken = performance.now() - begin;
  t.true(taken < 1000, `it took ${Math.round(taken)} ms`);
});

test('the later of two messages without a guard counts, for any delay of the earlier one', async (t) => {
  const database = await createDatabase(t, { migrated: true });
  const context = openContext(t, database, { database: { lockTimeout: 40 } });
  await insertInstances(database, 'i1');
  await insertBackup(database, 'b1', 'i1');
  const row = await lockWith(t, database, 'SELECT FROM backups FOR UPDATE');
  t.deepEqual(await apply(context, [osloBackup('b1', { state: 'BUILDING', location: 'there' })], 'oslo'), [
    'deferred: locked',
  ]);
  await row.release();
  t.deepEqual(await apply(context, [osloBackup('b1', { state: 'COMPLETED', size: 2 })], 'oslo'), ['applied']);
  await maintain(context);
  const [stored] = await database.query('SELECT state, location, size FROM backups');
  t.deepEqual(stored, { state: 'COMPLETED', location: 'there', size: 2 });
  t.deepEqual(await database.query('SELECT FROM deferred'), []);
});

test('two deferred messages without a guard are folded in the order of their arrival', async (t) => {
  const database = await createDatabase(t, { migrated: true });
  const context = openContext(t, database);
  await apply(context, [osloBackup('b1', { state: 'BUILDING', location: 'there' })], 'oslo');
  await apply(context, [osloBackup('b1', { state: 'COMPLETED' })], 'oslo');
  await insertInstances(database, 'i1');
  await insertBackup(database, 'b1', 'i1');
  await waitFor(async () => (await maintain(context)).resolved === 1, { what: 'it to be applied' });
  const [stored] = await database.query('SELECT state, location FROM backups');
  t.deepEqual(stored, { state: 'COMPLETED', location: 'there' });
});

test('a replica does not claim deferred messages of a transport or a method that it lacks', async (t) => {
  const database = await createDatabase(t, { migrated: true });
  const context = openContext(t, database, {
    deferred: { firstDelay: 1, maxDelay: 1, maxAge: 1, maxRows: 1 },
  });
  await apply(context, [heartbeat('i1', 1, 'running'), heartbeat('i2', 1, 'running')]);
  await database.query("UPDATE deferred SET transport = 'elsewhere' WHERE key = 'i1'");
  await database.query("UPDATE deferred SET method = 'theirs' WHERE key = 'i2'");
  await apply(context, [heartbeat('i3', 1, 'running')]);
  await waitFor(async () => (await maintain(context)).retried > 0, { what: 'its own to be given up' });
  await maintain(context);
  const rows = await database.query('SELECT key, attempts FROM deferred ORDER BY key');
  t.deepEqual(rows, [
    { key: 'i1', attempts: 1 },
    { key: 'i2', attempts: 1 },
  ]);
});

for (const [what, toWire] of [
  ['returns undefined', () => undefined],
  [
    'throws',
    () => {
      throw new Error('no');
    },
  ],
  ['returns what JSON cannot say', () => ({ n: 1n })],
  ['returns text that Postgres cannot store', () => ({ text: 'a\0b' })],
] as const) {
  test(`a message about a locked row whose toWire ${what} becomes a dead letter`, async (t) => {
    const database = await createDatabase(t, { migrated: true });
    const opened = openContext(t, database, { database: { lockTimeout: 40 } });
    const { heartbeat: ours } = opened.manager;
    if (ours === undefined) throw new Error('there is no heartbeat');
    const manager = { ...opened.manager, heartbeat: Object.assign(Object.create(ours), ours, { toWire }) };
    await insertInstances(database, 'i1', 'i2');
    await apply(opened, [heartbeat('i1', 1, 'building'), heartbeat('i2', 1, 'building')]);
    await lockWith(t, database, "SELECT FROM service_statuses WHERE instance_id = 'i1' FOR UPDATE");
    const outcomes = await apply({ ...opened, manager }, [
      heartbeat('i1', 2, 'running'),
      heartbeat('i2', 2, 'running'),
      native('heartbeat', {}),
    ]);
    t.deepEqual(outcomes, ['dead: refused', 'applied', 'dead: bad_argument']);
    t.is((await database.query('SELECT FROM dead_letters')).length, 2);
    t.deepEqual(await database.query('SELECT FROM deferred'), []);
  });
}

test('a deferred message is kept, for any message id', async (t) => {
  const database = await createDatabase(t, { migrated: true });
  const context = openContext(t, database, { database: { lockTimeout: 40 } });
  await insertInstances(database, 'i1', 'i2');
  await lockWith(t, database, "SELECT FROM instances WHERE id = 'i1' FOR UPDATE");
  const fault = (instance: string, uniqueId: string) => {
    const serialized = {
      notification_classname: 'trove.common.notification.DBaaSInstanceCreate',
      instance_id: instance,
      server_type: 'api',
      tenant_id: 't1',
      client_ip: '127.0.0.1',
      server_ip: '127.0.0.1',
      request_id: 'r1',
    };
    const args = { serialized_notification: serialized, message: 'm', exception: ['e'] };
    const message = { method: 'notify_exc_info', args, version: '1.0', _unique_id: uniqueId };
    return raw(JSON.stringify({ 'oslo.version': '2.0', 'oslo.message': JSON.stringify(message) }));
  };
  const outcomes = await apply(context, [fault('i1', 'a\0b'), fault('i2', 'c')], 'oslo');
  t.deepEqual(outcomes, ['deferred: locked', 'applied']);
  t.deepEqual(await database.query('SELECT instance_id FROM deferred'), [{ instance_id: 'i1' }]);
});

test('hundreds of thousands of excess dead letters are deleted in steps, and delay no deferred message', async (t) => {
  const database = await createDatabase(t, { migrated: true });
  const context = openContext(t, database, {
    database: { statementTimeout: 200 },
    deadLetters: { maxRows: 100, stormShare: 1 },
  });
  await database.query(`
    INSERT INTO dead_letters (transport, reason, body, body_size, body_digest)
    SELECT 'plain', 'not_json', '{', 1, '\\x00' FROM generate_series(1, 700000)`);
  await apply(context, [heartbeat('i1', 1, 'running'), backup('i1', 'b1', 1, {})]);
  await insertInstances(database, 'i1');
  const first = await waitFor(
    async () => {
      const round = await maintain(context);
      return round.retried > 0 && round;
    },
    { what: 'a retry' },
  );
  t.is(first.failedBecause, undefined);
  t.like(await statusOf(database, 'i1'), { sent: 1 });
  const [left] = await database.query<{ count: number }>(
    'SELECT count(*)::integer AS count FROM dead_letters',
  );
  t.true((left?.count ?? 0) < 700_000);
});

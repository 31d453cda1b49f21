import ava from 'ava';
import { ConfigError } from '../../src/core/errors.ts';
import { missingFromSchema } from '../../src/database/schema.ts';
import { needs } from '../support/services.ts';
import { catalog, contents, emptyDatabase, run, troveDatabase } from './support.ts';

const test = needs(ava, 'postgres');

const anyLetter = `INSERT INTO dead_letters (transport, reason, body_size, body_digest) VALUES ('rabbit', 'not_json', 1, '')`;

test('a rollback restores the earlier schema', async (t) => {
  for (const database of [await troveDatabase(t), await emptyDatabase(t)]) {
    const before = await catalog(database);
    await run(database);
    t.regex(await run(database, { rollback: true }), /^Rolling back:.*The database is rolled back\.$/s);
    t.deepEqual(await catalog(database), before);
  }
});

test("a rollback restores the guards of Trove's conductor", async (t) => {
  const database = await troveDatabase(t);
  await run(database);
  await database.query(`UPDATE service_statuses SET sent = 1767349000.5 WHERE instance_id = 'i-1'`);
  await database.query(`UPDATE backups SET sent = 1767349001.5 WHERE id = 'b-running'`);
  await database.query(`UPDATE backups SET sent = 1767349002.5 WHERE id IN ('b-other', 'b-orphan')`);
  await database.query(`UPDATE backups SET sent = 1767348000.5 WHERE id = 'b-late'`);
  await run(database, { rollback: true });
  const rows = await database.query('SELECT * FROM conductor_lastseen ORDER BY instance_id, method_name');
  t.deepEqual(rows, [
    { instance_id: 'i-1', method_name: 'heartbeat', sent: 1767349000.5 },
    { instance_id: 'i-1', method_name: 'update_backup', sent: 1767349001.5 },
    { instance_id: 'i-2', method_name: 'heartbeat', sent: 1767348002 },
    { instance_id: 'i-2', method_name: 'update_backup', sent: 1767349002.5 },
    { instance_id: 'i-3', method_name: 'heartbeat', sent: null },
    // A backup that still ran was not seeded, and its first message may be older than what Trove has seen.
    { instance_id: 'i-3', method_name: 'update_backup', sent: 1767348003 },
  ]);
});

test('a guard far in the future, which did not count here, does not mute the guest after a rollback', async (t) => {
  const database = await troveDatabase(t);
  await run(database);
  const now = Date.now() / 1000;
  await database.query(`UPDATE service_statuses SET sent = $1 WHERE instance_id = 'i-1'`, [now + 86_400]);
  await run(database, { rollback: true });
  const [row] = await database.query<{ sent: number }>(
    `SELECT sent FROM conductor_lastseen WHERE instance_id = 'i-1' AND method_name = 'heartbeat'`,
  );
  t.true(row !== undefined && row.sent >= now && row.sent < now + 120);
});

test('a rollback keeps leftovers, and a later migration uses them again', async (t) => {
  const database = await troveDatabase(t);
  await run(database);
  await database.query(anyLetter);
  t.regex(
    await run(database, { rollback: true }),
    /Kept: dead_letters, which holds rows.*DROP TABLE dead_letters/,
  );
  t.deepEqual(await database.query('SELECT reason FROM dead_letters'), [{ reason: 'not_json' }]);
  await run(database);
  t.deepEqual(await missingFromSchema(database.query), []);
  t.deepEqual(await database.query('SELECT reason FROM dead_letters'), [{ reason: 'not_json' }]);
});

test('a rollback keeps an edited body and the mark of a redrive', async (t) => {
  const database = await emptyDatabase(t);
  await run(database);
  await database.query(anyLetter);
  await database.query(`UPDATE dead_letters SET edited_body = 'abc', redrive_at = now(), redrive_by = 'ann'`);
  await run(database, { rollback: true });
  await run(database);
  t.deepEqual(await missingFromSchema(database.query), []);
  t.deepEqual(await database.query('SELECT redrive_by, edited_body FROM dead_letters'), [
    { redrive_by: 'ann', edited_body: Buffer.from('abc') },
  ]);
});

test('a migration takes up tables that an earlier release has kept, which lack the columns of later ones', async (t) => {
  const database = await troveDatabase(t);
  await run(database);
  await database.query(anyLetter);
  await database.query(`
    INSERT INTO deferred (method, key, instance_id, transport, args, reason, next_attempt_at)
    VALUES ('heartbeat', 'i1', 'i1', 'edge', '{}', 'unknown', now())`);
  await run(database, { rollback: true });
  await database.query('ALTER TABLE dead_letters DROP COLUMN redrive_at, DROP COLUMN edited_body');
  await run(database);
  t.deepEqual(await missingFromSchema(database.query), []);
});

test("each of the five tables in Trove's form is kept if it holds a row", async (t) => {
  const database = await emptyDatabase(t);
  await run(database);
  await database.query(`INSERT INTO instances (id, name) VALUES ('i-1', 'one')`);
  t.regex(
    await run(database, { rollback: true }),
    /Kept: instances, service_statuses.*rows are in instances/,
  );
  const tables = (await catalog(database)).filter((line) => line.startsWith('table '));
  t.deepEqual(tables, [
    'table backups ',
    'table instance_faults ',
    'table instances ',
    'table root_enabled_history ',
    'table service_statuses ',
  ]);
  await run(database);
  t.deepEqual(await missingFromSchema(database.query), []);
});

test('the dry run of a rollback changes nothing', async (t) => {
  const database = await troveDatabase(t);
  await run(database);
  await database.query(anyLetter);
  const before = [
    ...(await catalog(database)),
    ...(await contents(database, ['conductor_lastseen', 'dead_letters'])),
  ];
  const told = await run(database, { rollback: true, dryRun: true });
  t.regex(told, /^This would be done.*Writes the column sent back.*Kept: dead_letters/s);
  t.deepEqual(
    [...(await catalog(database)), ...(await contents(database, ['conductor_lastseen', 'dead_letters']))],
    before,
  );
});

test('a rollback without a migration does nothing', async (t) => {
  const database = await troveDatabase(t);
  const before = await catalog(database);
  t.regex(await run(database, { rollback: true }), /^There is nothing to roll back/);
  t.deepEqual(await catalog(database), before);
});

test('a rollback leaves the migrations of a newer version', async (t) => {
  const database = await troveDatabase(t);
  await run(database);
  await database.query(`INSERT INTO conductor_migrations (name, run_on) VALUES ('9999_newer', now())`);
  await t.throwsAsync(run(database, { rollback: true }), {
    instanceOf: ConfigError,
    message: /9999_newer.*that version/,
  });
});

test('a removed object returns after a rollback and a migration', async (t) => {
  const database = await troveDatabase(t);
  await run(database);
  await database.query('DROP TRIGGER conductor_keep_sent ON backups');
  await database.query('DROP TABLE deferred');
  const message =
    /removed: table deferred, trigger conductor_keep_sent on backups\. Run conductor migrate --rollback/;
  await t.throwsAsync(run(database), { instanceOf: ConfigError, message });
  await run(database, { rollback: true });
  await run(database);
  t.deepEqual(await missingFromSchema(database.query), []);
});

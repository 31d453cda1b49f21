import ava from 'ava';
import type { TestDatabase } from '../support/database.ts';
import { needs } from '../support/services.ts';
import { emptyDatabase, guards, run } from './support.ts';

const test = needs(ava, 'postgres');

/** A migrated database with one status and one backup, both guarded by this time. */
async function guardedAt(t: Parameters<typeof emptyDatabase>[0], sent: number): Promise<TestDatabase> {
  const database = await emptyDatabase(t);
  await run(database);
  await database.query(
    `INSERT INTO service_statuses (id, instance_id, status_id, status_description, sent)
     VALUES ('s-1', 'i-1', 1, 'running', $1)`,
    [sent],
  );
  await database.query(`INSERT INTO backups (id, name, state, sent) VALUES ('b-1', 'one', 'BUILDING', $1)`, [
    sent,
  ]);
  return database;
}

test("a write-back by Trove's services does not lower the guard", async (t) => {
  const database = await guardedAt(t, 200);
  await database.query(
    `UPDATE service_statuses SET status_id = 4, status_description = 'shutdown', sent = 100`,
  );
  await database.query(`UPDATE backups SET state = 'FAILED', sent = '-infinity'`);
  t.deepEqual(await guards(database, 'service_statuses'), { 's-1': 200 });
  t.deepEqual(await guards(database, 'backups'), { 'b-1': 200 });
  const [status] = await database.query('SELECT status_id FROM service_statuses');
  t.deepEqual(status, { status_id: 4 });
});

test('a row that Trove inserts has no guard', async (t) => {
  const database = await guardedAt(t, 200);
  await database.query(`INSERT INTO backups (id, name, state) VALUES ('b-2', 'two', 'NEW')`);
  t.is((await guards(database, 'backups'))['b-2'], Number.NEGATIVE_INFINITY);
});

test('a guard can be raised', async (t) => {
  const database = await guardedAt(t, 200);
  await database.query('UPDATE service_statuses SET sent = 300');
  t.deepEqual(await guards(database, 'service_statuses'), { 's-1': 300 });
});

test("a guard that a guest's fast clock has set far ahead can be corrected", async (t) => {
  const now = Date.now() / 1000;
  const database = await guardedAt(t, now + 3600);
  await database.query('UPDATE service_statuses SET sent = $1', [now]);
  t.deepEqual(await guards(database, 'service_statuses'), { 's-1': now });
});

test('a guard that is slightly ahead still counts', async (t) => {
  const now = Date.now() / 1000;
  const database = await guardedAt(t, now + 30);
  await database.query('UPDATE backups SET sent = $1', [now]);
  t.deepEqual(await guards(database, 'backups'), { 'b-1': now + 30 });
});

import test from 'ava';
import pg from 'pg';
import { createDatabase, openDatabase } from '../support/database.ts';
import { needs } from '../support/services.ts';

const postgresTest = needs(test, 'postgres');

postgresTest('each test has a database of its own', async (t) => {
  const [one, other] = [await createDatabase(t), await createDatabase(t)];
  await one.query('CREATE TABLE things (id int)');
  await one.query('INSERT INTO things VALUES ($1)', [7]);
  t.deepEqual(await one.query('SELECT id FROM things'), [{ id: 7 }]);
  await t.throwsAsync(other.query('SELECT id FROM things'), { code: '42P01' });
});

postgresTest('a database is dropped although a session is connected to it', async (t) => {
  const database = await openDatabase();
  const client = new pg.Client({ connectionString: database.url });
  await client.connect();
  const ended = new Promise<void>((resolve) => client.on('error', () => resolve()));
  await database.drop();
  await ended;
  await t.throwsAsync(new pg.Client({ connectionString: database.url }).connect(), { code: '3D000' });
});

postgresTest('a migrated database has the tables, also if several tests ask at once', async (t) => {
  const databases = await Promise.all([1, 2, 3].map(() => createDatabase(t, { migrated: true })));
  for (const { query } of databases) {
    const [row] = await query<{ known: boolean }>(`SELECT to_regclass('instances') IS NOT NULL AS known`);
    t.true(row?.known);
  }
});

postgresTest(
  'the server has an unusual time zone, so that times in the wrong zone are noticed',
  async (t) => {
    const { query } = await createDatabase(t);
    t.deepEqual(await query('SHOW TimeZone'), [{ TimeZone: 'Asia/Kathmandu' }]);
  },
);

import test, { type ExecutionContext } from 'ava';
import { createPool, type Db, inTransaction, isBeforeBegin } from '../../src/workers/postgres/transaction.ts';
import { createDatabase } from '../support/database.ts';
import { startProxy } from '../support/proxy.ts';
import { needs } from '../support/services.ts';
import { openContext, workerSettings } from '../support/worker.ts';

/** A transaction begins together with its first statement. */

const dbTest = needs(test, 'postgres');

const prepared = { preparedStatements: true } as const;
const insert = (db: Db) => db.query('insert-thing', 'INSERT INTO things VALUES ($1)', ['a']);

/** A pool that reaches the database by way of a proxy. */
async function pooledByProxy(t: ExecutionContext) {
  const { url } = await createDatabase(t);
  const proxy = await startProxy(Number(new URL(url).port));
  t.teardown(() => proxy.stop());
  const pool = createPool(workerSettings(proxy.url(url), { concurrency: 1 }));
  t.teardown(() => pool.end());
  return { proxy, pool };
}

dbTest('the BEGIN and the first statement are sent at once, and the COMMIT after them', async (t) => {
  const { proxy, pool } = await pooledByProxy(t);
  const read = (db: Db) => db.query('read', 'SELECT 1 AS one', []);
  await inTransaction(pool, prepared, read);
  // The second write is lost.
  proxy.cutAfter(2);
  let rows: unknown;
  await t.throwsAsync(
    inTransaction(pool, prepared, async (db) => {
      rows = await read(db);
    }),
  );
  t.deepEqual(rows, [{ one: 1 }]);
});

dbTest('if the transaction cannot begin, its first statement is not executed either', async (t) => {
  const database = await createDatabase(t);
  await database.query('CREATE TABLE things (thing text)');
  await database.query('GRANT ALL ON things TO PUBLIC');
  const { pool } = openContext(t, database, { concurrency: 1 });
  for (const name of ['begin', 'begin-settings']) {
    await inTransaction(pool, prepared, (db) => db.query('', `DEALLOCATE "${name}"`, []));
    const error = await t.throwsAsync(inTransaction(pool, prepared, insert), {
      message: new RegExp(`prepared statement "${name}" does not exist`),
    });
    t.true(isBeforeBegin(error));
    t.deepEqual(await database.query('SELECT FROM things'), []);
    // The connection is not used again.
    await inTransaction(pool, prepared, insert);
    t.is((await database.query('DELETE FROM things RETURNING thing')).length, 1);
  }
});

dbTest('a first statement that fails is rolled back, and its connection stays', async (t) => {
  const { pool } = openContext(t, await createDatabase(t), { concurrency: 1 });
  const backend = () =>
    inTransaction(pool, prepared, (db) => db.query('backend', 'SELECT pg_backend_pid() AS pid', []));
  const before = await backend();
  await t.throwsAsync(
    inTransaction(pool, prepared, (db) => db.query('divide', 'SELECT 1 / $1::integer', [0])),
    { message: 'division by zero' },
  );
  t.deepEqual(await backend(), before);
});

dbTest('a first statement that cannot be sent ends its connection, and the next one works', async (t) => {
  const { pool } = openContext(t, await createDatabase(t), { concurrency: 1 });
  const query = (text: string) => inTransaction(pool, prepared, (db) => db.query('same', text, []));
  t.deepEqual(await query('SELECT 1 AS one'), [{ one: 1 }]);
  await t.throwsAsync(query('SELECT 2 AS two'), { message: /^Prepared statements must be unique/ });
  t.deepEqual(await query('SELECT 2 AS two'), [{ two: 2 }]);
});

dbTest('work without a query succeeds only if the database answers', async (t) => {
  const { proxy, pool } = await pooledByProxy(t);
  const work = () => inTransaction(pool, prepared, async () => 'done');
  t.is(await work(), 'done');
  proxy.cutAfter(1);
  await t.throwsAsync(work());
});

dbTest('a connection that breaks before the transaction has begun is told apart', async (t) => {
  const { proxy, pool } = await pooledByProxy(t);
  const options = { ...prepared, answersBegin: true };
  const end = (db: Db) => db.query('end', 'SELECT pg_terminate_backend(pg_backend_pid())', []);
  t.false(isBeforeBegin(await t.throwsAsync(inTransaction(pool, options, end))));
  await inTransaction(pool, options, async () => {});
  proxy.cutAfter(1);
  t.true(isBeforeBegin(await t.throwsAsync(inTransaction(pool, options, end))));
});

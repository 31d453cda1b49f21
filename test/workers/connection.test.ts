import test, { type ExecutionContext } from 'ava';
import type { QueryResultRow } from 'pg';
import { messageOf } from '../../src/core/errors.ts';
import type { ThreadState } from '../../src/workers/batch/thread-state.ts';
import { isConnectionState } from '../../src/workers/postgres/connection-state.ts';
import { type Db, inTransaction, type TransactionOptions } from '../../src/workers/postgres/transaction.ts';
import { lockWith, startOwnPostgres } from '../faults/databases.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';
import { needs } from '../support/services.ts';
import { waitFor } from '../support/wait.ts';
import { apply, heartbeat, insertInstances, openContext } from '../support/worker.ts';

const dbTest = needs(test, 'postgres');
const ownTest = needs(test.serial, 'postgres');

const ours = {
  transaction_isolation: 'read committed',
  statement_timeout: '10s',
  lock_timeout: '1s',
  idle_in_transaction_session_timeout: '5s',
  synchronous_commit: 'on',
};
const settingNames = Object.keys(ours);

function transact<Result>(
  { pool }: ThreadState,
  work: (db: Db) => Promise<Result>,
  options: Partial<TransactionOptions> = {},
): Promise<Result> {
  return inTransaction(pool, { preparedStatements: true, ...options }, work);
}

/** What the settings are inside a transaction. A statement with a name goes to Postgres together with the BEGIN. */
async function settingsIn(context: ThreadState, options?: Partial<TransactionOptions>, name = '') {
  const columns = settingNames.map((name) => `current_setting('${name}') AS ${name}`).join(', ');
  const [row] = await transact(
    context,
    (db) => db.query<QueryResultRow>(name, `SELECT ${columns}`, []),
    options,
  );
  return row;
}

async function alter(database: TestDatabase, what: string): Promise<void> {
  await database.query(`ALTER DATABASE ${new URL(database.url).pathname.slice(1)} ${what}`);
}

dbTest(
  'a transaction has its settings from the configuration, with any defaults of the database',
  async (t) => {
    const database = await createDatabase(t);
    for (const [name, value] of Object.entries({
      default_transaction_isolation: 'serializable',
      statement_timeout: '1h',
      lock_timeout: '0',
      idle_in_transaction_session_timeout: '0',
      synchronous_commit: 'off',
    }))
      await alter(database, `SET ${name} = '${value}'`);
    for (const name of ['', 'settings']) {
      const context = openContext(t, database);
      t.deepEqual(await settingsIn(context, {}, name), ours);
      const chosen = { idleInTransactionTimeout: 7000, synchronousCommit: 'remote_write' };
      t.deepEqual(await settingsIn(openContext(t, database, { database: chosen }), {}, name), {
        ...ours,
        idle_in_transaction_session_timeout: '7s',
        synchronous_commit: 'remote_write',
      });
      t.deepEqual(await settingsIn(context, { lockTimeout: 99.5, statementTimeout: 2000 }, name), {
        ...ours,
        lock_timeout: '100ms',
        statement_timeout: '2s',
      });
      t.deepEqual(await settingsIn(context, {}, name), ours);
    }
  },
);

dbTest('the limits in the URL are ignored', async (t) => {
  const { url } = await createDatabase(t);
  for (const parameters of [
    'statement_timeout=0&lock_timeout=0&idle_in_transaction_session_timeout=0',
    'options=-c%20statement_timeout%3D0%20-c%20lock_timeout%3D0%20-c%20synchronous_commit%3Doff',
  ]) {
    const context = openContext(t, { url: `${url}?${parameters}`, query: async () => [] });
    t.deepEqual(await settingsIn(context), ours);
  }
});

dbTest('the settings do not remain on the connection', async (t) => {
  const database = await createDatabase(t);
  const context = openContext(t, database, { concurrency: 1 });
  await alter(database, 'SET statement_timeout = 77');
  for (const [name, text] of [
    ['', 'SELECT 1'],
    ['', 'SELECT 1 / 0'],
    ['good', 'SELECT 1'],
    ['bad', 'SELECT 1 / 0'],
  ] as const) {
    await transact(context, (db) => db.query(name, text, [])).catch(() => {});
    const client = await context.pool.connect();
    const { rows } = await client.query('SHOW statement_timeout');
    client.release();
    t.deepEqual(rows, [{ statement_timeout: '77ms' }]);
  }
});

/** Opens this many connections at once and does this on each of them. */
async function onEach(
  context: ThreadState,
  count: number,
  work: (db: Db) => Promise<unknown>,
): Promise<void> {
  const gate = Promise.withResolvers<void>();
  let there = 0;
  await Promise.all(
    Array.from({ length: count }, () =>
      transact(context, async (db) => {
        await work(db);
        there += 1;
        if (there === count) gate.resolve();
        await gate.promise;
      }),
    ),
  );
}

/** Those of a context: one of them is for calls. */
const connections = 3;

/** The same statement again and again, one after the other; how each ended. */
async function repeat(t: ExecutionContext, context: ThreadState, work: (db: Db) => Promise<unknown>) {
  const ends: string[] = [];
  for (let count = 0; count < connections + 1; count += 1) {
    try {
      await transact(context, work);
      ends.push('done');
    } catch (error) {
      t.true(isConnectionState(error), messageOf(error));
      ends.push('stale');
    }
  }
  return ends;
}

for (const [what, spoil] of [
  ['a plan for a table that has changed', 'ALTER TABLE things ALTER thing TYPE varchar(64)'],
  ['a prepared statement that is no longer there', undefined],
] as const) {
  dbTest(`${what} costs one attempt, for any number of connections with prepared statements`, async (t) => {
    const database = await createDatabase(t);
    await database.query('CREATE TABLE things (thing text)');
    const context = openContext(t, database, { concurrency: connections - 1 });
    const read = (db: Db) => db.query('read-things', 'SELECT thing FROM things', []);
    await onEach(context, connections, read);
    if (spoil === undefined) await onEach(context, connections, (db) => db.query('', 'DEALLOCATE ALL', []));
    else await database.query(spoil);
    t.deepEqual(await repeat(t, context, read), ['stale', 'done', 'done', 'done']);
  });
}

dbTest('a statement that another session has prepared under our name costs one attempt', async (t) => {
  const context = openContext(t, await createDatabase(t), { concurrency: connections - 1 });
  await onEach(context, connections, (db) => db.query('', 'PREPARE taken AS SELECT 1', []));
  const read = (db: Db) => db.query('taken', 'SELECT 2', []);
  t.deepEqual(await repeat(t, context, read), ['stale', 'done', 'done', 'done']);
});

dbTest("only errors about a connection's own state renew the connection", async (t) => {
  const context = openContext(t, await createDatabase(t));
  for (const [text, values] of [
    ["DO $$ BEGIN RAISE SQLSTATE '0A000'; END $$", []],
    ['SELECT $1::int', ['x']],
    ['SELECT $1::int', []],
    ['SELECT FROM nowhere', []],
    ["DO $$ BEGIN RAISE SQLSTATE '40001'; END $$", []],
  ] as const) {
    const error = await t.throwsAsync(transact(context, (db) => db.query('', text, values)));
    t.false(isConnectionState(error), text);
  }
  t.false(isConnectionState(new Error('Connection terminated unexpectedly')));
});

dbTest('the server ends an idle transaction, and its work can be done again', async (t) => {
  const database = await createDatabase(t, { migrated: true });
  // Longer than a busy machine pauses this process between two statements of a transaction that is to succeed.
  const context = openContext(t, database, { database: { idleInTransactionTimeout: 1500 } });
  const left =
    "SELECT FROM pg_stat_activity WHERE application_name = 'test' AND datname = current_database()";
  await t.throwsAsync(
    transact(context, async (db) => {
      await db.query('', 'SELECT 1', []);
      const isEnded = async () => (await database.query(left)).length === 0;
      await waitFor(isEnded, { what: 'the server to end the connection' });
      await db.query('', 'SELECT 1', []);
    }),
    { message: /idle-in-transaction timeout/ },
  );
  t.deepEqual(await transact(context, (db) => db.query('', 'SELECT 1 AS one', [])), [{ one: 1 }]);
});

ownTest('a commit whose wait for the standby is cancelled does not count as done', async (t) => {
  const { database } = await startOwnPostgres(t);
  await insertInstances(database, 'one');
  const context = openContext(t, database);
  t.deepEqual(await apply(context, [heartbeat('one', 1, 'running')]), ['applied']);
  await database.query("ALTER SYSTEM SET synchronous_standby_names = 'nobody'");
  await database.query('SELECT pg_reload_conf()');
  const standby = async () =>
    (await database.query('SHOW synchronous_standby_names'))[0]?.synchronous_standby_names;
  await waitFor(async () => (await standby()) === 'nobody', { what: 'the standby to be asked for' });
  const held = apply(context, [heartbeat('one', 2, 'crashed')]);
  const cancel =
    "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE application_name = 'test' AND wait_event = 'SyncRep'";
  await waitFor(async () => (await database.query(cancel)).length > 0, { what: 'the commit to wait' });
  t.regex((await held).join(), /^held: the commit did not reach the synchronous standby in time: /);
  await database.query('ALTER SYSTEM RESET synchronous_standby_names');
  await database.query('SELECT pg_reload_conf()');
  // It had been committed after all, and comes again.
  t.deepEqual(await apply(context, [heartbeat('one', 2, 'crashed')]), ['duplicate']);
});

dbTest("a deployer's own warning at commit does not count as a cancelled wait", async (t) => {
  const database = await createDatabase(t, { migrated: true });
  await insertInstances(database, 'one');
  await database.query(`
    CREATE FUNCTION warn() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE WARNING 'mind'; RETURN NULL; END $$;
    CREATE CONSTRAINT TRIGGER warn AFTER INSERT ON service_statuses
      INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION warn()`);
  t.deepEqual(await apply(openContext(t, database), [heartbeat('one', 1, 'running')]), ['applied']);
});

dbTest(
  'a statement waits for a locked row for database.lockTimeout, with any value in the URL',
  async (t) => {
    const database = await createDatabase(t, { migrated: true });
    await insertInstances(database, 'one');
    const context = openContext(
      t,
      { ...database, url: `${database.url}?lock_timeout=0&statement_timeout=0` },
      { database: { lockTimeout: 50 } },
    );
    await apply(context, [heartbeat('one', 1, 'running')]);
    await lockWith(t, database, 'SELECT FROM service_statuses FOR UPDATE');
    t.deepEqual(await apply(context, [heartbeat('one', 2, 'crashed')]), ['deferred: locked']);
  },
);

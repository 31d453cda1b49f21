import ava from 'ava';
import { inTransaction } from '../../src/workers/postgres/transaction.ts';
import { TransactionLog } from '../../src/workers/postgres/transaction-log.ts';
import { createDatabase } from '../support/database.ts';
import { needs } from '../support/services.ts';
import { openContext } from '../support/worker.ts';

/** Transactions that belong to a trace. */

const test = needs(ava, 'postgres');
const traceId = '4bf92f3577b34da6a3ce929d0e0e4736';
const nameOf = "SELECT current_setting('application_name') AS name";

test('statements of different traces stay one prepared statement, and the name is back after the transaction', async (t) => {
  const { pool } = openContext(t, await createDatabase(t));
  const names: unknown[] = [];
  for (const id of [traceId, 'f'.repeat(32), undefined]) {
    const log = id === undefined ? undefined : new TransactionLog(id);
    await inTransaction(pool, { preparedStatements: true, log }, async (db) => {
      names.push(...(await db.query('name', nameOf, [])).map(({ name }) => name));
    });
  }
  t.deepEqual(names, [`test ${traceId}`, `test ${'f'.repeat(32)}`, 'test']);
  const prepared = await inTransaction(pool, { preparedStatements: true }, (db) =>
    db.query(
      '',
      "SELECT generic_plans + custom_plans AS uses FROM pg_prepared_statements WHERE name = 'name'",
      [],
    ),
  );
  t.deepEqual(prepared, [{ uses: '3' }]);
});

test('a long name is cut and its odd characters are replaced, but the id of the trace is whole', async (t) => {
  const applicationName = `conductor é'${'x'.repeat(100)}`;
  const { pool } = openContext(t, await createDatabase(t), { database: { applicationName } });
  const log = new TransactionLog(traceId);
  const rows = await inTransaction(pool, { preparedStatements: true, log }, (db) => db.query('', nameOf, []));
  const cut = `conductor ?'${'x'.repeat(18)}`;
  t.deepEqual(rows, [{ name: `${cut} ${traceId}` }]);
});

test('the log has the times of the transactions, 32 at most, and whether each was committed', async (t) => {
  const { pool } = openContext(t, await createDatabase(t));
  const log = new TransactionLog(traceId);
  const options = { preparedStatements: true, log };
  await t.throwsAsync(inTransaction(pool, options, (db) => db.query('', 'SELECT 1 / 0', [])));
  for (let count = 0; count < 40; count += 1) await inTransaction(pool, options, async () => {});
  t.is(log.times.length, 32);
  t.deepEqual(
    log.times.slice(0, 2).map(({ hasCommitted }) => hasCommitted),
    [false, true],
  );
  t.true(log.times.every(({ begunAt, endedAt }) => begunAt < endedAt));
});

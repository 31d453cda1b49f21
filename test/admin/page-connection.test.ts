import test, { type ExecutionContext } from 'ava';
import { pino } from 'pino';
import { PageRefusal } from '../../src/admin/page-source.ts';
import { mostWaiting, PageConnection } from '../../src/conductor/page-connection.ts';
import { parseConfig } from '../../src/core/config/load.ts';
import { transportKinds } from '../../src/transports/index.ts';
import { workerSettingsOf } from '../../src/workers/settings.ts';
import { configurationOf } from '../support/conductor.ts';
import { createDatabase } from '../support/database.ts';
import { needs } from '../support/services.ts';
import { waitFor } from '../support/wait.ts';

const connectionTest = needs(test, 'postgres');

async function open(t: ExecutionContext, idleAfter?: number) {
  const { url, query } = await createDatabase(t, { migrated: true });
  const transports = { dead: { kind: 'amqp091', url: 'amqp://127.0.0.1:1' } };
  const config = parseConfig(configurationOf({ database: url, transports }), 'test', {}, transportKinds);
  const connection = new PageConnection(workerSettingsOf(config), pino({ enabled: false }), idleAfter);
  t.teardown(() => connection.close());
  const connections = async () => {
    const rows = await query<{ count: number }>(
      "SELECT count(*)::integer AS count FROM pg_stat_activity WHERE application_name = 'conductor test page' AND datname = current_database()",
    );
    return rows[0]?.count;
  };
  return { connection, connections };
}

connectionTest('it is made at the first use, and closed when it is no longer used', async (t) => {
  const { connection, connections } = await open(t, 50);
  t.is(await connections(), 0);
  for (let use = 0; use < 2; use += 1) {
    t.deepEqual(await connection.transaction((query) => query('SELECT 1 AS one')), [{ one: 1 }]);
    await waitFor(async () => (await connections()) === 0, { what: 'the end of the connection' });
  }
});

connectionTest(
  'one connection serves all requests, one after the other, and too many are refused',
  async (t) => {
    const { connection, connections } = await open(t);
    let runs = 0;
    const all = Array.from({ length: mostWaiting }, () =>
      connection.transaction(async (query) => {
        runs += 1;
        t.is(runs, 1);
        await query('SELECT 1');
        runs -= 1;
      }),
    );
    await t.throwsAsync(
      connection.transaction(async () => {}),
      { instanceOf: PageRefusal },
    );
    await Promise.all(all);
    t.is(await connections(), 1);
  },
);

connectionTest(
  'a request that fails leaves nothing behind, and a closed connection is not made again',
  async (t) => {
    const { connection, connections } = await open(t);
    await t.throwsAsync(
      connection.transaction((query) => query('SELECT 1 / 0')),
      { message: /division by zero/ },
    );
    t.deepEqual(await connection.transaction((query) => query('SELECT 2 AS two')), [{ two: 2 }]);
    await connection.close();
    await t.throwsAsync(
      connection.transaction(async () => {}),
      { instanceOf: PageRefusal },
    );
    await waitFor(async () => (await connections()) === 0, { what: 'the end of the connection' });
  },
);

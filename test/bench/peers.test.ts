import test from 'ava';
import pg from 'pg';
import { instanceId } from '../../bench/messages.ts';
import { formatPeers } from '../../bench/peers/command.ts';
import { conductor } from '../../bench/peers/conductor.ts';
import { commitsOf, makeDatabase } from '../../bench/peers/database.ts';
import { measurePeer } from '../../bench/peers/measure.ts';
import { telegraf } from '../../bench/peers/programs.ts';
import { trove } from '../../bench/peers/trove/index.ts';
import { startPostgres } from '../support/postgres.ts';
import { findRabbitmq, startRabbitmq } from '../support/rabbitmq.ts';
import { onlyIf } from '../support/services.ts';
import { temporaryDirectory } from '../support/temporary.ts';

const withRabbitmq = onlyIf(test, findRabbitmq() !== undefined, 'rabbitmq-server is not installed');

withRabbitmq(
  'the conductor is measured as its peers are, and loses nothing when it and Postgres are killed',
  async (t) => {
    const postgres = await startPostgres({ settings: { track_commit_timestamp: 'on' } });
    t.teardown(() => postgres.stop());
    const broker = await startRabbitmq();
    t.teardown(() => broker.kill());
    const folder = temporaryDirectory('peers');
    const figures = await measurePeer(
      { ...conductor, about: 300 },
      { broker, postgres, folder, changes: false },
    );
    t.like(figures, { name: 'conductor', lost: 0, of: 1200 });
    t.true(figures.rate > 0 && figures.p99 > 0 && figures.cpu.peer > 0);
    t.regex(formatPeers([figures]), /^ *conductor +\d+ +1\.0 .* 0 of 1200$/m);
  },
);

test('a heartbeat that a peer appends twice to a table of its own counts once, by its first commit', async (t) => {
  const postgres = await startPostgres({ settings: { track_commit_timestamp: 'on' } });
  t.teardown(() => postgres.stop());
  const url = postgres.url('appended');
  const contents = { tables: telegraf.tables?.() ?? '', instances: 2, changes: false };
  const since = await makeDatabase(postgres.url(), url, contents);
  const database = { url, table: telegraf.table ?? '', since };
  const client = new pg.Client({ connectionString: database.url });
  await client.connect();
  t.teardown(() => client.end());
  const append = (g: number) =>
    client.query(`INSERT INTO ${database.table} VALUES (now(), $1, 'healthy')`, [instanceId(g)]);
  await append(1);
  const first = await commitsOf(database, 1, 2);
  t.deepEqual(
    first.map(({ instance }) => instance),
    [instanceId(1)],
  );
  await append(1);
  t.deepEqual(await commitsOf(database, 1, 2), first);
});

test('a peer that is not installed says how to install it', async (t) => {
  const missing = await trove.missing();
  t.true(missing === undefined || missing.includes('apt-get install'), missing);
});

test('a heartbeat that does not change its status counts from its commit on, and not the row from before', async (t) => {
  const postgres = await startPostgres({ settings: { track_commit_timestamp: 'on' } });
  t.teardown(() => postgres.stop());
  const url = postgres.url('known');
  const since = await makeDatabase(postgres.url(), url, { tables: '', instances: 2, changes: false });
  const database = { url, table: 'service_statuses', since };
  t.deepEqual(await commitsOf(database, 1, 2), []);
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  t.teardown(() => client.end());
  await client.query('UPDATE service_statuses SET updated_at = now() WHERE instance_id = $1', [
    instanceId(2),
  ]);
  t.like(await commitsOf(database, 1, 2), [{ instance: instanceId(2) }]);
});

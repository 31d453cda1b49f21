import test, { type ExecutionContext } from 'ava';
import pg from 'pg';
import { countFleet, type Transaction } from '../../src/database/page/count-fleet.ts';
import { countDeferred, countReasons, readChanges } from '../../src/database/page/leftovers.ts';
import { Refresh } from '../../src/database/page/refresh.ts';
import { claimCount, extendClaim, readSnapshot, storeSnapshot } from '../../src/database/page/snapshot.ts';
import { queryOn } from '../../src/database/query.ts';
import { sweepStatuses } from '../../src/jobs/sweep-statuses.ts';
import { createDatabase } from '../support/database.ts';
import { needs } from '../support/services.ts';
import { waitFor } from '../support/wait.ts';

const snapshotTest = needs(test, 'postgres');
const statuses = { alive: sweepStatuses.alive, unknown: sweepStatuses.unknown.id };
const expiry = 90_000;

/** A database, and transactions on it that are counted by their statements. */
async function open(t: ExecutionContext) {
  const { url, query } = await createDatabase(t, { migrated: true });
  const pool = new pg.Pool({ connectionString: url, max: 4 });
  // A connection that ends may still be there when the database is dropped, and is told so.
  pool.on('error', () => {});
  t.teardown(() => pool.end());
  const told: string[] = [];
  const transaction: Transaction = async (work) => {
    const client = await pool.connect();
    const run = queryOn(client);
    let isBroken = true;
    try {
      await client.query('BEGIN');
      const result = await work((text, values) => {
        told.push(text);
        return run(text, values);
      });
      await client.query('COMMIT');
      isBroken = false;
      return result;
    } finally {
      client.release(isBroken);
    }
  };
  const age = () => query("UPDATE page_snapshots SET begun_at = begun_at - interval '10 s'");
  const scans = () => told.filter((text) => text.includes('FROM service_statuses')).length;
  const replica = (name: string) => new Refresh({ replica: name, statuses, expiry, transaction });
  return { query, transaction, age, scans, replica };
}

const content = {
  begunAt: 0,
  replica: 'one',
  statuses: [],
  silent: 0,
  oldest: [],
  changes: { count: 0, since: 0 },
  deferred: [],
  isDeferredCut: false,
  letters: [],
};

const guests = (count: number, status: string, id: number, age: string) => `
WITH made AS (
  INSERT INTO instances (id, deleted) SELECT '${status} ' || n, n % 2 = 0 FROM generate_series(1, ${count}) AS n RETURNING id
)
INSERT INTO service_statuses (id, instance_id, status_id, status_description, updated_at)
SELECT id, id, ${id}, '${status}', now() AT TIME ZONE 'utc' - interval '${age}' - substring(id FROM '\\d+$')::integer * interval '1 s' FROM made`;

snapshotTest(
  'two replicas that are watched count the fleet once in ten seconds, and show the same',
  async (t) => {
    const { query, age, scans, replica } = await open(t);
    await query(guests(3, 'healthy', 33, '0 s'));
    const [one, other] = [replica('one'), replica('other')];
    for (let look = 0; look < 10; look += 1) await Promise.all([one.look(), other.look()]);
    await Promise.all([one.idle(), other.idle()]);
    await Promise.all([one.look(), other.look()]);
    t.is(scans(), 1);
    t.truthy(one.seen.fleet);
    t.deepEqual(one.seen.fleet, other.seen.fleet);
    t.like(one.seen.fleet?.statuses, [{ status: 'healthy', count: 3, isAlive: true, change: 3 }]);
    await age();
    await Promise.all([one.look(), other.look()]);
    await Promise.all([one.idle(), other.idle()]);
    t.is(scans(), 2);
  },
);

snapshotTest('a replica that dies in a count loses its claim, and its late result is dropped', async (t) => {
  const { query, transaction, age } = await open(t);
  const claim = await transaction(claimCount);
  if (claim === undefined) return t.fail('nobody else counts');
  await age();
  t.is(await transaction(claimCount), undefined);
  t.false((await transaction(readSnapshot)).isDue);
  await query("UPDATE page_snapshots SET claimed_until = now() - interval '1 s'");
  t.true((await transaction(readSnapshot)).isDue);
  const next = await transaction(claimCount);
  if (next === undefined) return t.fail('the claim has run out');
  t.false(await transaction((run) => extendClaim(run, claim)));
  await transaction((run) => storeSnapshot(run, claim, { ...content, replica: 'late' }));
  t.is((await transaction(readSnapshot)).content, null);
  t.true(await transaction((run) => extendClaim(run, next)));
  await transaction((run) => storeSnapshot(run, next, content));
  t.deepEqual((await transaction(readSnapshot)).content, content);
});

snapshotTest('a count that loses its claim ends', async (t) => {
  const { query, transaction } = await open(t);
  await query(guests(3, 'healthy', 33, '0 s'));
  t.is(await countFleet(transaction, statuses, expiry, async () => false), undefined);
});

snapshotTest('the oldest silent guests are those of instances that are not deleted', async (t) => {
  const { query, transaction } = await open(t);
  await query(guests(8, 'healthy', 33, '5 min'));
  await query(guests(30, 'unknown', 22, '1 h'));
  await query(guests(4, 'shutdown', 4, '2 h'));
  await query(guests(5, 'running', 1, '0 s'));
  const fleet = await countFleet(transaction, statuses, expiry, async () => true);
  t.is(fleet?.silent, 8);
  t.deepEqual(
    fleet?.oldest.map(({ id }) => id),
    [29, 27, 25, 23, 21, 19, 17, 15, 13, 11].map((n) => `unknown ${n}`),
  );
  t.deepEqual(
    fleet?.statuses.map(({ status, count, isAlive }) => [status, count, isAlive]),
    [
      ['unknown', 30, false],
      ['healthy', 8, true],
      ['running', 5, true],
      ['shutdown', 4, false],
    ],
  );
});

snapshotTest('a table of many blocks is counted in steps, each guest once', async (t) => {
  const { query, transaction, scans } = await open(t);
  await query('ALTER TABLE service_statuses SET (fillfactor = 10)');
  await query('ALTER TABLE service_statuses DISABLE TRIGGER conductor_record_new_status');
  await query(guests(12_000, 'healthy', 33, '0 s'));
  const fleet = await countFleet(transaction, statuses, expiry, async () => true);
  t.true(scans() > 1);
  t.like(fleet?.statuses, [{ count: 12_000 }]);
  t.is(fleet?.oldest.length, 10);
  const oldest = await query<{ id: string }>(
    `SELECT instance_id AS id FROM service_statuses JOIN instances ON instances.id = instance_id WHERE NOT deleted ORDER BY updated_at LIMIT 10`,
  );
  t.deepEqual(
    fleet?.oldest.map(({ id }) => id),
    oldest.map(({ id }) => id),
  );
});

snapshotTest('dead letters are counted by reason, transport and state', async (t) => {
  const { query, transaction } = await open(t);
  // Otherwise the bodies are compressed.
  await query('ALTER TABLE dead_letters ALTER body SET STORAGE PLAIN');
  await query(`
    INSERT INTO dead_letters (transport, reason, body, body_size, body_digest, counted, redrive_at, redriven_at)
    SELECT 'edge', CASE WHEN n % 3 = 0 THEN 'forbidden' ELSE 'not_json' END, convert_to(repeat(md5(n::text), 100), 'UTF8'), 3200, '',
      CASE WHEN n = 1 THEN 500 END, CASE WHEN n % 5 = 0 THEN now() END, CASE WHEN n % 10 IN (0, 1) THEN now() END
    FROM generate_series(1, 6000) AS n`);
  const [expected] = await query<{ blocks: number }>(
    "SELECT (pg_relation_size('dead_letters') / 8192)::integer AS blocks",
  );
  t.true((expected?.blocks ?? 0) > 2000);
  const reasons = await countReasons(transaction);
  // A redrive that has failed leaves only its time (n % 10 = 1): such a letter is dead.
  t.like(reasons, [
    { reason: 'not_json', dead: 3200, waiting: 400, redriven: 400, messages: 3699 },
    { reason: 'forbidden', dead: 1600, waiting: 200, redriven: 200, messages: 1600 },
  ]);
});

snapshotTest('the change of a status is what its transitions of the period add up to', async (t) => {
  const { query, transaction } = await open(t);
  await query(`
    INSERT INTO status_transitions (instance_id, old_status, new_status, sent, changed_at, cause)
    SELECT 'a', CASE WHEN n > 3 THEN 'healthy' END, CASE WHEN n > 3 THEN 'unknown' ELSE 'healthy' END, 0,
      now() - CASE WHEN n = 1 THEN interval '1 h' ELSE interval '1 min' END, 'other'
    FROM generate_series(1, 10) AS n`);
  const { changes, count, since } = await transaction((run) => readChanges(run, 600_000));
  t.deepEqual(changes, { healthy: -5, unknown: 7 });
  t.is(count, 9);
  t.true(Math.abs(Date.now() - 600_000 - since) < 60_000);
});

snapshotTest('deferred messages beyond ten thousand are not counted', async (t) => {
  const { query, transaction } = await open(t);
  await query(`
    INSERT INTO deferred (method, key, instance_id, transport, args, reason, next_attempt_at)
    SELECT 'heartbeat', n, n, 'edge', '{}', 'unknown', now() FROM generate_series(1, 10500) AS n`);
  t.deepEqual(await transaction(countDeferred), {
    deferred: [{ reason: 'unknown', count: 10_001 }],
    isDeferredCut: true,
  });
});

snapshotTest('a look at a database that fails says why, and the next one that works ends that', async (t) => {
  const { query, replica } = await open(t);
  const one = replica('one');
  await query('ALTER TABLE replicas RENAME TO elsewhere');
  await one.look();
  t.regex(one.seen.problem ?? '', /relation "replicas" does not exist/);
  await query('ALTER TABLE elsewhere RENAME TO replicas');
  await waitFor(
    async () => {
      await one.look();
      return one.seen.problem === undefined;
    },
    { what: 'a look' },
  );
  t.truthy(one.seen.present);
  await one.idle();
});

import ava from 'ava';
import { takeCensus } from '../../src/jobs/census.ts';
import { replicaRole } from '../support/database.ts';
import { needs } from '../support/services.ts';
import { apply, heartbeat } from '../support/worker.ts';
import { insertStatuses, limits, many, setUp, statusesIn } from './sweep-support.ts';

/** The times at which the sweep marks nobody, or few. */

const test = needs(ava, 'postgres');

test('a dry run marks nobody, and the log tells how many it would mark', async (t) => {
  const { database, sweep, lines } = await setUp(t, { isDryRun: true });
  await insertStatuses(database, [...many(9, 'running', 1), ['i1', 'running', 100]]);
  await sweep();
  t.is((await statusesIn(database)).i1, 'running');
  t.is(lines[0]?.instances, 1);
  t.regex(lines[0]?.msg ?? '', /nothing is marked/);
});

test('in the grace, and while messages are unsettled for long, nobody is marked', async (t) => {
  const { database, sweep, lines, witness } = await setUp(t, { grace: 1000 });
  await insertStatuses(database, [...many(9, 'running', 1), ['i1', 'running', 100]]);
  for (const trouble of [{ calmFor: 999 }, { oldestUnsettled: 90_001 }]) {
    Object.assign(witness, { calmFor: 1e9, oldestUnsettled: 0 }, trouble);
    await sweep();
    t.is((await statusesIn(database)).i1, 'running');
  }
  t.deepEqual(
    lines.map(({ msg }) => msg),
    ['the sweep judges nobody for now'],
  );
  Object.assign(witness, { calmFor: 1e9, oldestUnsettled: 0 });
  await sweep();
  t.is((await statusesIn(database)).i1, 'unknown');
});

test('while a peer may have unsettled messages nobody is marked, unless it has stopped or is gone for long', async (t) => {
  const { database, sweep, lines } = await setUp(t);
  const statusAfter = async (peer: string) => {
    await insertStatuses(database, [...many(9, 'running', 1), ['i1', 'running', 100]]);
    await database.query(
      `INSERT INTO replicas (transport, client_id, replica, started_at, seen_at, oldest_unsettled)
       SELECT 'mqtt', 'id', 'peer', now(), now() - silent * interval '1 s', oldest FROM (${peer}) AS peer (silent, oldest)`,
    );
    await sweep();
    const { i1 } = await statusesIn(database);
    for (const table of ['replicas', 'service_statuses', 'instances'])
      await database.query(`DELETE FROM ${table}`);
    return i1;
  };
  t.is(await statusAfter('SELECT 5, 90001'), 'running');
  t.regex(lines[0]?.because ?? '', /^the replica peer may have messages/);
  t.is(await statusAfter('SELECT 60, 40000'), 'running', 'it may hold them still');
  t.is(await statusAfter('SELECT 200, 0'), 'running', 'it may have taken some after its last sign');
  t.is(await statusAfter('SELECT 5, 80000'), 'unknown');
  t.is(await statusAfter('SELECT 301, 1000'), 'unknown', 'it is gone');
  t.is(await statusAfter('SELECT 200, NULL::double precision'), 'unknown', 'it has stopped');
});

test('a server that has just started makes the sweep wait', async (t) => {
  const { database, sweep, lines } = await setUp(t, { grace: 1e8 });
  await insertStatuses(database, [...many(9, 'running', 1), ['i1', 'running', 100]]);
  await sweep();
  t.is((await statusesIn(database)).i1, 'running');
  t.regex(lines[0]?.because ?? '', /server started/);
});

test('if most guests fall silent, none of them is marked at any time, and one line says whose fault it is', async (t) => {
  const { database, sweep, lines } = await setUp(t, { suspect: 0.55, maxShare: 0.05 });
  // Each beats every 30 s, until all stop at the same instant.
  const fleet = 200;
  await insertStatuses(
    database,
    Array.from({ length: fleet }, (_, index) => [`i${index}`, 'running', (30 * index) / fleet] as const),
  );
  for (let passed = 0; passed < 300; passed += 10) {
    await sweep();
    await database.query("UPDATE service_statuses SET updated_at = updated_at - interval '10 s'");
  }
  t.deepEqual([...new Set(Object.values(await statusesIn(database)))], ['running']);
  const warnings = lines.filter(({ level }) => level >= 40);
  t.is(warnings.length, 1);
  t.regex(warnings[0]?.msg ?? '', /the fault is probably ours/);
});

test('while a backlog is worked off nobody is marked, and afterwards the silent ones are', async (t) => {
  const { database, context, sweep, lines } = await setUp(t);
  await insertStatuses(database, many(50, 'running', 3600));
  const ago = (seconds: number) => Date.now() / 1000 - seconds;
  // An hour of heartbeats waits at the broker; half of the guests have had theirs applied.
  await apply(
    context,
    many(25, 'running', 0).map(([id]) => heartbeat(id, ago(3000), 'running')),
  );
  await sweep();
  t.false(Object.values(await statusesIn(database)).includes('unknown'));
  t.regex(lines[0]?.because ?? '', /backlog is being worked off: 25 of 25/);
  // The rest comes, but for one.
  await apply(
    context,
    many(49, 'running', 0).map(([id]) => heartbeat(id, ago(1), 'running')),
  );
  await sweep();
  const unknown = Object.entries(await statusesIn(database)).filter(([, status]) => status === 'unknown');
  t.deepEqual(unknown, [['m49', 'unknown']]);
});

test('more silent guests than the share are marked slowly, by all replicas together', async (t) => {
  const { database, sweep, job, lines } = await setUp(t, { maxShare: 0.1 });
  await insertStatuses(database, [...many(800, 'running', 1), ...many(200, 'running', 100, 's')]);
  const { signal } = new AbortController();
  const other = job();
  const marked = async () =>
    Object.values(await statusesIn(database)).filter((status) => status === 'unknown').length;
  await sweep();
  t.is(await marked(), 10);
  await sweep();
  await other.run(signal);
  t.is(await marked(), 10);
  // The next minute.
  await database.query("UPDATE status_transitions SET changed_at = changed_at - interval '1 minute'");
  await other.run(signal);
  t.is(await marked(), 19);
  t.regex(lines.map(({ msg }) => msg).join('\n'), /goes on slowly/);
});

test('a round that is ended in the middle leaves the rest to the next one', async (t) => {
  const { database, job } = await setUp(t);
  await insertStatuses(database, many(2500, 'running', 100));
  const ending = new AbortController();
  const running = job().run(ending.signal);
  ending.abort();
  await running;
  const left = Object.values(await statusesIn(database)).filter((status) => status === 'running').length;
  t.true(left >= 1500, String(left));
  await job().run(new AbortController().signal);
  t.deepEqual([...new Set(Object.values(await statusesIn(database)))], ['unknown']);
});

test('a census sees each row once, also in partitions and in many blocks', async (t) => {
  const { database, jobs } = await setUp(t);
  await database.query(`
    DROP TABLE service_statuses;
    CREATE TABLE service_statuses (
      id varchar(36), instance_id varchar(36) PRIMARY KEY, status_id integer NOT NULL, status_description varchar(64) NOT NULL,
      updated_at timestamp, sent double precision NOT NULL DEFAULT '-infinity'
    ) PARTITION BY HASH (instance_id);
    CREATE TABLE part_0 PARTITION OF service_statuses FOR VALUES WITH (MODULUS 2, REMAINDER 0);
    CREATE TABLE part_1 PARTITION OF service_statuses FOR VALUES WITH (MODULUS 2, REMAINDER 1);
    ALTER TABLE part_0 SET (fillfactor = 10);
    GRANT SELECT ON service_statuses, part_0, part_1 TO ${replicaRole};
    INSERT INTO instances (id, name) SELECT n::text, n::text FROM generate_series(1, 30000) AS n;
    INSERT INTO service_statuses (id, instance_id, status_id, status_description, updated_at)
    SELECT n::text, n::text, 1, 'running', now() AT TIME ZONE 'utc' - (n % 3) * interval '40 minutes' FROM generate_series(1, 30000) AS n`);
  const census = await takeCensus(
    jobs,
    { ...limits, heartbeatExpiry: 3_600_000 },
    new AbortController().signal,
  );
  t.like(census, { watched: 30_000, late: 20_000, silent: 10_000 });
  t.is(new Set(census?.ids).size, 10_000);
});

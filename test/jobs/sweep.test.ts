import ava from 'ava';
import pg from 'pg';
import { pino } from 'pino';
import { takeCensus } from '../../src/jobs/census.ts';
import { markSilent } from '../../src/jobs/sql/mark-silent.ts';
import { type SweepOptions, sweepJob } from '../../src/jobs/sweep.ts';
import { statuses } from '../../src/workers/methods/statuses.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';
import { jobsDatabaseOf } from '../support/maintain.ts';
import { needs } from '../support/services.ts';
import { apply, heartbeat, insertInstances, openContext } from '../support/worker.ts';

const test = needs(ava, 'postgres');

const limits = { heartbeatExpiry: 90_000, buildTimeout: 1_800_000 };

async function setUp(t: Parameters<typeof createDatabase>[0], options: Partial<SweepOptions> = {}) {
  const database = await createDatabase(t, { migrated: true });
  const context = openContext(t, database);
  const lines: { level: number; msg: string; instances?: number; because?: string }[] = [];
  const logger = pino({}, { write: (text: string) => void lines.push(JSON.parse(text)) });
  const witness = { calmFor: 1e9, oldestUnsettled: 0 };
  const jobs = jobsDatabaseOf(context);
  const job = () =>
    sweepJob({
      ...limits,
      // The server of the tests may have started a moment ago.
      grace: 0,
      maxShare: 1,
      suspect: 1,
      isDryRun: false,
      interval: 1000,
      database: jobs,
      witness: () => witness,
      logger,
      ...options,
    });
  const { signal } = new AbortController();
  const one = job();
  return { database, context, lines, witness, jobs, job, sweep: () => one.run(signal) };
}

/** Instances with a status, last heard of so many seconds ago. */
async function insertStatuses(
  database: TestDatabase,
  rows: ReadonlyArray<readonly [id: string, status: string, silentFor: number]>,
): Promise<void> {
  await insertInstances(database, ...rows.map(([id]) => id));
  await database.query(
    `INSERT INTO service_statuses (id, instance_id, status_id, status_description, updated_at)
     SELECT id, id, code, word, now() AT TIME ZONE 'utc' - silent * interval '1 second'
     FROM unnest($1::text[], $2::integer[], $3::text[], $4::double precision[]) AS input(id, code, word, silent)`,
    [
      rows.map(([id]) => id),
      rows.map(([, status]) => statuses.get(status)?.id),
      rows.map(([, status]) => status),
      rows.map(([, , silent]) => silent),
    ],
  );
}

async function statusesIn(database: TestDatabase): Promise<Record<string, string>> {
  const rows = await database.query<{ id: string; status: string }>(
    'SELECT instance_id AS id, status_description AS status FROM service_statuses ORDER BY instance_id',
  );
  return Object.fromEntries(rows.map(({ id, status }) => [id, status]));
}

const many = (count: number, status: string, silentFor: number, prefix = 'm') =>
  Array.from({ length: count }, (_, index) => [`${prefix}${index}`, status, silentFor] as const);

test('silent guests become unknown and overdue builds fail, with a transition each; all others stay', async (t) => {
  const { database, sweep, lines } = await setUp(t);
  const stays = [
    'paused',
    'shutdown',
    'deleted',
    'crashed',
    'failed to spawn',
    'unknown',
    'guestagent error',
    'restart required',
  ];
  await insertStatuses(database, [
    ...many(9, 'running', 1, 'z'),
    ['fresh', 'running', 80],
    ['silent', 'running', 100],
    ['healthy', 'healthy', 100],
    ['build', 'building', 1700],
    ['overdue', 'building', 1900],
    ['new', 'new', 1900],
    ['removed', 'running', 1900],
    ...stays.map((status) => [status, status, 1_000_000] as const),
  ]);
  await database.query("UPDATE instances SET deleted = true WHERE id = 'removed'");
  await database.query("DELETE FROM status_transitions WHERE cause = 'other'");
  const [before] = await database.query(
    "SELECT updated_at FROM service_statuses WHERE instance_id = 'silent'",
  );
  t.deepEqual(await sweep(), {});
  t.deepEqual(await statusesIn(database), {
    ...Object.fromEntries(stays.map((status) => [status, status])),
    ...Object.fromEntries(many(9, 'running', 1, 'z').map(([id]) => [id, 'running'])),
    build: 'building',
    fresh: 'running',
    healthy: 'unknown',
    new: 'guestagent error',
    overdue: 'guestagent error',
    removed: 'running',
    silent: 'unknown',
  });
  const transitions = await database.query(
    'SELECT instance_id AS id, old_status AS old, new_status AS new, cause FROM status_transitions ORDER BY instance_id',
  );
  t.deepEqual(transitions, [
    { id: 'healthy', old: 'healthy', new: 'unknown', cause: 'sweep' },
    { id: 'new', old: 'new', new: 'guestagent error', cause: 'sweep' },
    { id: 'overdue', old: 'building', new: 'guestagent error', cause: 'sweep' },
    { id: 'silent', old: 'running', new: 'unknown', cause: 'sweep' },
  ]);
  // Nobody has heard of it since.
  t.deepEqual(await database.query("SELECT updated_at FROM service_statuses WHERE instance_id = 'silent'"), [
    before,
  ]);
  t.is(lines.length, 1);
  t.is(lines[0]?.instances, 4);
  // A second round finds nothing.
  await sweep();
  t.is(lines.length, 1);
});

test('the next heartbeat ends unknown', async (t) => {
  const { database, context, sweep } = await setUp(t);
  await insertInstances(database, 'i1');
  await apply(context, [heartbeat('i1', 10, 'running')]);
  await database.query("UPDATE service_statuses SET updated_at = updated_at - interval '2 minutes'");
  await sweep();
  t.deepEqual(await statusesIn(database), { i1: 'unknown' });
  await apply(context, [heartbeat('i1', 11, 'running')]);
  t.deepEqual(await statusesIn(database), { i1: 'running' });
  const rows = await database.query('SELECT new_status, cause FROM status_transitions ORDER BY id');
  t.deepEqual(
    rows.map(({ new_status, cause }) => [new_status, cause]),
    [
      ['running', 'heartbeat'],
      ['unknown', 'sweep'],
      ['running', 'heartbeat'],
    ],
  );
});

test('a heartbeat between the census and the mark saves its guest', async (t) => {
  const { database, context, jobs } = await setUp(t);
  await insertStatuses(database, [
    ['i1', 'running', 100],
    ['i2', 'running', 100],
  ]);
  const { ids = [] } = (await takeCensus(jobs, limits, new AbortController().signal)) ?? {};
  t.deepEqual([...ids].sort(), ['i1', 'i2']);
  await apply(context, [heartbeat('i1', 5, 'running')]);
  t.is(await jobs.transaction((db) => markSilent(db, ids, limits)), 1);
  t.deepEqual(await statusesIn(database), { i1: 'running', i2: 'unknown' });
});

test('a heartbeat that is not committed yet saves its guest too, and the sweep does not wait for it', async (t) => {
  const { database, jobs } = await setUp(t);
  await insertStatuses(database, [
    ['i1', 'running', 100],
    ['i2', 'running', 100],
  ]);
  const client = new pg.Client({ connectionString: database.url });
  await client.connect();
  t.teardown(() => client.end());
  await client.query('BEGIN');
  await client.query(
    "UPDATE service_statuses SET updated_at = now() AT TIME ZONE 'utc' WHERE instance_id = 'i1'",
  );
  t.is(await jobs.transaction((db) => markSilent(db, ['i1', 'i2'], limits)), 1);
  await client.query('COMMIT');
  t.deepEqual(await statusesIn(database), { i1: 'running', i2: 'unknown' });
});

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

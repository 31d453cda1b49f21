import ava from 'ava';
import pg from 'pg';
import { takeCensus } from '../../src/jobs/census.ts';
import { markSilent } from '../../src/jobs/sql/mark-silent.ts';
import { needs } from '../support/services.ts';
import { apply, heartbeat, insertInstances } from '../support/worker.ts';
import { insertStatuses, limits, many, setUp, statusesIn } from './sweep-support.ts';

/** The guests that the sweep marks. */

const test = needs(ava, 'postgres');

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

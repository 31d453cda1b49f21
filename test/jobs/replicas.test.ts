import ava from 'ava';
import { pino } from 'pino';
import type { JobsDatabase } from '../../src/jobs/contract.ts';
import { Registry } from '../../src/jobs/registry.ts';
import { claimSession, extendClaim, lockClaim } from '../../src/jobs/sql/claim-session.ts';
import { giveSign, type SignOfLife } from '../../src/jobs/sql/register-replica.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';
import { jobsDatabaseOf } from '../support/maintain.ts';
import { needs } from '../support/services.ts';
import { waitFor } from '../support/wait.ts';
import { openContext } from '../support/worker.ts';

const test = needs(ava, 'postgres');

/** Milliseconds. */
const minute = 60_000;

const kept = { clientId: 'conductor-one-mqtt', subscription: '$share/conductors/conductor/+' };
const registrations = [
  { transport: 'mqtt', kept },
  { transport: 'rabbit', kept: undefined },
];
const sign: SignOfLife = { replica: 'one', registrations, oldestUnsettled: 7, isFirst: true };

test('a replica has one row for each transport, and a sign of life is a HOT update of it', async (t) => {
  const database = await createDatabase(t, { migrated: true });
  const jobs = jobsDatabaseOf(openContext(t, database));
  t.deepEqual(await jobs.transaction((db) => giveSign(db, sign)), []);
  const [before] = await rowsOf(database);
  const hot = await jobs.transaction(async (db) => {
    await giveSign(db, { ...sign, oldestUnsettled: 8, isFirst: false });
    return db.query('', "SELECT pg_stat_get_xact_tuples_hot_updated('replicas'::regclass)::int AS count", []);
  });
  t.deepEqual(hot, [{ count: 2 }]);
  const rows = await rowsOf(database);
  t.like(rows, [
    { transport: 'mqtt', client_id: kept.clientId, subscription: kept.subscription, oldest_unsettled: 8 },
    { transport: 'rabbit', client_id: 'one', subscription: null, oldest_unsettled: 8 },
  ]);
  t.deepEqual(rows[0]?.started_at, before?.started_at);
  t.true(Number(rows[0]?.seen_at) > Number(before?.seen_at));
});

test('a replica that stops leaves only the rows of sessions that may hold messages', async (t) => {
  for (const leavesNothing of [true, false]) {
    const database = await createDatabase(t, { migrated: true });
    const registry = start(jobsDatabaseOf(openContext(t, database)));
    await registry.start();
    t.is((await rowsOf(database)).length, 2);
    await registry.leave(() => leavesNothing, AbortSignal.timeout(minute));
    const left = (await rowsOf(database)).map(({ client_id: id, oldest_unsettled: oldest }) => [id, oldest]);
    t.deepEqual(left, leavesNothing ? [] : [[kept.clientId, null]]);
  }
});

test('a session is claimed by one peer only, until the claim runs out or the owner is back', async (t) => {
  const database = await createDatabase(t, { migrated: true });
  const jobs = jobsDatabaseOf(openContext(t, database));
  const count = 20;
  for (let index = 0; index < count; index += 1)
    await jobs.transaction((db) =>
      giveSign(db, {
        ...sign,
        replica: `gone-${index}`,
        registrations: [{ transport: 'mqtt', kept: { ...kept, clientId: `id-${index}` } }],
      }),
    );
  const claim = (replica: string, after: number, lasts = minute) =>
    jobs.transaction((db) =>
      claimSession(db, { transport: 'mqtt', replica, clientId: 'id-0', after, lasts }),
    );
  t.is(await claim('peer', minute), undefined, 'they are alive');
  await database.query("UPDATE replicas SET seen_at = seen_at - interval '1 hour'");
  const claims = await Promise.all(
    Array.from({ length: count + 5 }, (_, index) => claim(`peer-${index}`, minute)),
  );
  const ids = claims.flatMap((one) => (one === undefined ? [] : [one.clientId]));
  // Those that looked while a row was locked may have found none.
  t.is(new Set(ids).size, ids.length);
  t.false(ids.includes('id-0'), 'a replica does not adopt its own session');
  for (;;) {
    const one = await claim('late', minute);
    if (one === undefined) break;
    t.false(ids.includes(one.clientId));
    ids.push(one.clientId);
  }
  t.is(ids.length, count - 1);

  const [{ adopter = '', client_id: clientId = '' } = {}] = await database.query(
    "SELECT client_id, adopter FROM replicas WHERE adopter <> 'late' LIMIT 1",
  );
  const claimed = { transport: 'mqtt', clientId: String(clientId), adopter: String(adopter) };
  const isClaimed = () => jobs.transaction((db) => lockClaim(db, claimed));
  t.true(await isClaimed());
  t.true(await jobs.transaction((db) => extendClaim(db, claimed, 0)));
  t.false(await isClaimed(), 'it has run out');
  t.is((await claim('other', minute))?.clientId, claimed.clientId);
  t.false(await jobs.transaction((db) => extendClaim(db, claimed, minute)), 'a peer has it');
  const owner = {
    ...sign,
    registrations: [{ transport: 'mqtt', kept: { ...kept, clientId: claimed.clientId } }],
  };
  t.deepEqual(await jobs.transaction((db) => giveSign(db, owner)), []);
  t.false(await jobs.transaction((db) => extendClaim(db, { ...claimed, adopter: 'other' }, minute)));
});

test('a replica that was cut off from the database judges no peer until it has been back for long enough', async (t) => {
  const database = await createDatabase(t, { migrated: true });
  const jobs = jobsDatabaseOf(openContext(t, database));
  let isAway = false;
  const registry = start({
    transaction: (work) => (isAway ? Promise.reject(new Error('away')) : jobs.transaction(work)),
  });
  t.teardown(() => registry.leave(() => true, AbortSignal.timeout(minute)));
  t.is(registry.steadyFor, 0);
  await registry.start();
  await waitFor(() => registry.steadyFor > 200, { what: 'some signs of life' });
  isAway = true;
  await waitFor(() => registry.steadyFor === 0, { what: 'a sign of life to fail' });
  isAway = false;
  await waitFor(() => registry.steadyFor > 0, { what: 'signs of life again' });
  t.true(registry.steadyFor < 200);
});

test('a replica learns that a peer has taken over its session while it was silent', async (t) => {
  const database = await createDatabase(t, { migrated: true });
  const jobs = jobsDatabaseOf(openContext(t, database));
  const lines: string[] = [];
  const registry = start(jobs, (line) => void lines.push(line));
  t.teardown(() => registry.leave(() => true, AbortSignal.timeout(minute)));
  await registry.start();
  await database.query('DELETE FROM replicas');
  await waitFor(() => lines.some((line) => line.includes('was silent for longer')), { what: 'the line' });
  t.is((await rowsOf(database)).length, 2);
});

function start(database: JobsDatabase, write: (line: string) => void = () => {}): Registry {
  return new Registry({
    replica: 'one',
    registrations: () => registrations,
    oldestUnsettled: () => 0,
    interval: 20,
    database,
    logger: pino({}, { write }),
  });
}

function rowsOf(database: TestDatabase) {
  return database.query('SELECT * FROM replicas ORDER BY transport, client_id');
}

import ava from 'ava';
import fc from 'fast-check';
import pg from 'pg';
import { trimTransitionsJob } from '../../src/jobs/trim.ts';
import { statuses } from '../../src/workers/methods/statuses.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';
import { jobsDatabaseOf } from '../support/maintain.ts';
import { needs } from '../support/services.ts';
import { apply, heartbeat, insertInstances, native, openContext, statusOf } from '../support/worker.ts';

const test = needs(ava, 'postgres');

async function history(database: TestDatabase, instance: string): Promise<unknown[][]> {
  const rows = await database.query(
    'SELECT old_status, new_status, sent, cause FROM status_transitions WHERE instance_id = $1 ORDER BY id',
    [instance],
  );
  return rows.map(({ old_status, new_status, sent, cause }) => [old_status, new_status, sent, cause]);
}

test('each change of a status is recorded once, and a heartbeat without a change is not', async (t) => {
  const database = await createDatabase(t, { migrated: true });
  const context = openContext(t, database);
  await insertInstances(database, 'i1');
  await apply(context, [heartbeat('i1', 1, 'building')]);
  await apply(context, [heartbeat('i1', 2, 'building')]);
  await apply(context, [heartbeat('i1', 3, 'running')]);
  await apply(context, [heartbeat('i1', 2.5, 'crashed'), heartbeat('i1', 3, 'crashed'), heartbeat('i1', 4)]);
  await apply(context, [native('heartbeat', { instance_id: 'i1', sent: 5, payload: {} })]);
  t.deepEqual(await history(database, 'i1'), [
    [null, 'building', 1, 'heartbeat'],
    ['building', 'running', 3, 'heartbeat'],
  ]);
});

test('RESTART_REQUIRED, which a heartbeat does not end, makes no transition', async (t) => {
  const database = await createDatabase(t, { migrated: true });
  const context = openContext(t, database);
  await insertInstances(database, 'i1');
  await apply(context, [heartbeat('i1', 1, 'restart required')]);
  t.deepEqual(await apply(context, [heartbeat('i1', 2, 'running')]), ['applied']);
  t.deepEqual(await history(database, 'i1'), [[null, 'restart required', 1, 'heartbeat']]);
});

test("changes by Trove's own services are recorded, also for a user who knows nothing of the table", async (t) => {
  const database = await createDatabase(t, { migrated: true });
  const context = openContext(t, database);
  await insertInstances(database, 'i1');
  await apply(context, [heartbeat('i1', 1, 'running')]);
  const user = `trove_${Date.now()}_${process.pid}`;
  await database.query(`CREATE USER ${user}`);
  await database.query(`GRANT SELECT, UPDATE ON service_statuses TO ${user}`);
  const client = new pg.Client({ connectionString: database.url });
  await client.connect();
  try {
    await client.query(`SET ROLE ${user}`);
    await t.throwsAsync(client.query('SELECT FROM status_transitions'), { code: '42501' });
    // A table of the session's own must not take the row.
    await client.query('CREATE TEMP TABLE status_transitions (instance_id text)');
    await client.query("UPDATE service_statuses SET status_id = 4, status_description = 'shutdown'");
    await client.query('UPDATE service_statuses SET status_id = 4, sent = 0');
  } finally {
    await client.end();
    await database.query(`DROP OWNED BY ${user}`);
    await database.query(`DROP USER ${user}`);
  }
  t.deepEqual(await history(database, 'i1'), [
    [null, 'running', 1, 'heartbeat'],
    ['running', 'shutdown', 1, 'other'],
  ]);
});

test('a transition that is rolled back is not recorded', async (t) => {
  const database = await createDatabase(t, { migrated: true });
  const context = openContext(t, database);
  await insertInstances(database, 'i1');
  await database.query('ALTER TABLE service_statuses ADD CHECK (status_id <> 6)');
  await apply(context, [heartbeat('i1', 1, 'crashed')]);
  t.deepEqual(await history(database, 'i1'), []);
});

test('whatever the order, the batches and the sessions: the history is a chain that ends with the status', async (t) => {
  const database = await createDatabase(t, { migrated: true });
  const contexts = [openContext(t, database), openContext(t, database)];
  const words = [...statuses.keys()].filter((word) => word !== 'restart required');
  let instance = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.array(
        fc.record({
          sent: fc.integer({ min: 1, max: 9 }),
          status: fc.constantFrom(...words.slice(0, 4)),
          lane: fc.nat(1),
        }),
        { minLength: 1, maxLength: 12 },
      ),
      fc.integer({ min: 1, max: 5 }),
      async (messages, size) => {
        instance += 1;
        const id = `chain-${instance}`;
        await insertInstances(database, id);
        await Promise.all(
          contexts.map(async (context, lane) => {
            const own = messages.filter((message) => message.lane === lane);
            for (let start = 0; start < own.length; start += size)
              await apply(
                context,
                own.slice(start, start + size).map(({ sent, status }) => heartbeat(id, sent, status)),
              );
          }),
        );
        const chain = await history(database, id);
        let before: unknown = null;
        for (const [old, now] of chain) {
          t.is(old, before);
          t.not(now, before);
          before = now;
        }
        t.is<unknown, unknown>((await statusOf(database, id))?.status_description, before);
      },
    ),
    { numRuns: 60 },
  );
});

for (const { limits, left } of [
  { limits: { retention: 60_000, maxRows: 1_000_000 }, left: ['3'] },
  { limits: { retention: 86_400_000, maxRows: 2 }, left: ['2', '3'] },
]) {
  test(`the history is bounded by ${JSON.stringify(limits)}, the oldest first`, async (t) => {
    const database = await createDatabase(t, { migrated: true });
    await database.query(`
      INSERT INTO status_transitions (instance_id, new_status, sent, cause, changed_at)
      SELECT age::text, 'running', 0, 'other', now() - (3 - age) * interval '1 hour' FROM generate_series(1, 3) AS age`);
    const job = trimTransitionsJob({ database: jobsDatabaseOf(openContext(t, database)), ...limits });
    t.deepEqual(await job.run(new AbortController().signal), { isUnfinished: false });
    const rows = await database.query('SELECT instance_id FROM status_transitions ORDER BY id');
    t.deepEqual(
      rows.map(({ instance_id }) => instance_id),
      left,
    );
  });
}

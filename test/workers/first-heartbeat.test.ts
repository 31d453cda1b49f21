import ava from 'ava';
import { lockWith } from '../faults/databases.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';
import { needs } from '../support/services.ts';
import { waitFor } from '../support/wait.ts';
import { apply, heartbeat, insertInstances, openContext, statusOf } from '../support/worker.ts';

const test = needs(ava, 'postgres');

/** What the sessions of this database wait for. */
async function waiting(database: TestDatabase): Promise<string[]> {
  const rows = await database.query<{ event: string }>(
    `SELECT wait_event AS event FROM pg_stat_activity
     WHERE datname = current_database() AND wait_event_type = 'Lock' ORDER BY wait_event`,
  );
  return rows.map(({ event }) => event);
}

test('two concurrent first heartbeats of an instance that meet in the primary key both get an outcome', async (t) => {
  const database = await createDatabase(t, { migrated: true });
  await insertInstances(database, 'i1');
  // An insertion stops here, with its entry in the primary key and none in the index that ON CONFLICT looks at: indexes are
  // written in the order in which they were made.
  await database.query(`
    CREATE FUNCTION stop_here(text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$
    BEGIN
      PERFORM pg_advisory_xact_lock_shared(7);
      RETURN $1;
    END
    $$;
    DROP INDEX service_statuses_instance_id_unique;
    CREATE INDEX stops ON service_statuses (stop_here(instance_id));
    CREATE UNIQUE INDEX service_statuses_instance_id_unique ON service_statuses (instance_id)`);
  const patient = { database: { lockTimeout: 60_000 } };
  const [first, second] = [openContext(t, database, patient), openContext(t, database, patient)];
  const gate = await lockWith(t, database, 'SELECT pg_advisory_xact_lock(7)');
  const one = apply(first, [heartbeat('i1', 1, 'building')]);
  await waitFor(async () => (await waiting(database)).length === 1, { what: 'the first to stop' });
  const other = apply(second, [heartbeat('i1', 2, 'running')]);
  await waitFor(async () => (await waiting(database)).length === 2, { what: 'the second to meet it' });
  // It has come as far as the first one's entry.
  t.deepEqual(await waiting(database), ['advisory', 'spectoken']);
  await gate.release();
  t.deepEqual(await Promise.all([one, other]), [['applied'], ['applied']]);
  t.like(await statusOf(database, 'i1'), { sent: 2, status_description: 'running' });
  t.deepEqual(await database.query('SELECT FROM dead_letters'), []);
});

test("a deployer's own unique index refuses the message that violates it, and no other", async (t) => {
  const database = await createDatabase(t, { migrated: true });
  await insertInstances(database, 'i1', 'i2', 'i3');
  await database.query('CREATE UNIQUE INDEX one_of_each ON service_statuses (status_id)');
  const context = openContext(t, database);
  const batch = [heartbeat('i1', 1, 'running'), heartbeat('i2', 1, 'running'), heartbeat('i3', 1, 'paused')];
  const outcomes = await apply(context, batch);
  t.deepEqual(outcomes.toSorted(), ['applied', 'applied', 'dead: refused']);
  t.is(outcomes[2], 'applied');
});

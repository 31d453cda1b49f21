import { randomUUID } from 'node:crypto';
import ava from 'ava';
import { startConductorHere } from '../support/conductor.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';
import { maintain } from '../support/maintain.ts';
import { needs, service } from '../support/services.ts';
import { waitFor } from '../support/wait.ts';
import { apply, backup, heartbeat, openContext } from '../support/worker.ts';

const test = needs(ava, 'postgres');

/** Milliseconds until the next attempt of the only deferred message. */
async function delayOf(database: TestDatabase): Promise<number> {
  const [row] = await database.query<{ delay: number }>(
    'SELECT (extract(epoch FROM next_attempt_at - now()) * 1000)::double precision AS delay FROM deferred',
  );
  return row?.delay ?? Number.NaN;
}

test('the delays of a deferred message double up to maxDelay, and at maxAge it is dead', async (t) => {
  const database = await createDatabase(t, { migrated: true });
  const [firstDelay, maxDelay] = [100_000, 500_000];
  const context = openContext(t, database, {
    deferred: { firstDelay, maxDelay, maxAge: 3_600_000, maxRows: 10 },
  });
  await apply(context, [heartbeat('i1', 1, 'running')]);
  for (const delay of [100_000, 200_000, 400_000, 500_000, 500_000]) {
    const left = await delayOf(database);
    t.true(left > delay - 20_000 && left <= delay, `${left}`);
    await database.query('UPDATE deferred SET next_attempt_at = now()');
    t.like(await maintain(context), { retried: 1, resolved: 0 });
  }
  await database.query(
    "UPDATE deferred SET next_attempt_at = now(), first_deferred_at = now() - interval '2 hours'",
  );
  t.like(await maintain(context), { retried: 1, resolved: 1 });
  t.deepEqual(await database.query('SELECT reason, instance_id FROM dead_letters'), [
    { reason: 'never_known', instance_id: 'i1' },
  ]);
  t.deepEqual(await database.query('SELECT FROM deferred'), []);
});

test('however many messages about one thing wait, they are one row', async (t) => {
  const database = await createDatabase(t, { migrated: true });
  const context = openContext(t, database);
  for (let sent = 1; sent <= 300; sent += 3)
    await apply(context, [
      heartbeat('i1', sent, 'running'),
      heartbeat('i1', sent + 1, 'healthy'),
      backup('i1', 'b1', sent + 2, { state: 'BUILDING' }),
    ]);
  t.deepEqual(await database.query('SELECT method, key FROM deferred ORDER BY method'), [
    { method: 'heartbeat', key: 'i1' },
    {
      method: 'update_backup',
      key: (await database.query('SELECT key FROM deferred ORDER BY method'))[1]?.key,
    },
  ]);
});

needs(
  ava,
  'mosquitto',
  'postgres',
)('a replica leaves alone what waits for a transport that it does not have', async (t) => {
  const database = await createDatabase(t, { migrated: true });
  await database.query(`
    INSERT INTO deferred (method, key, instance_id, transport, args, reason, next_attempt_at)
    SELECT 'heartbeat', transport, transport, transport, '{}', 'unknown', now()
    FROM unnest(ARRAY['edge', 'elsewhere']) AS transport`);
  const { url } = service('mosquitto');
  const name = `jobs-${randomUUID()}`;
  await startConductorHere(t, {
    database: database.url,
    transports: { edge: { kind: 'mqtt', url, topic: `${name}/+`, group: name, clientId: name } },
  });
  // The second look at its own comes after any look at the other one.
  await waitFor(
    async () =>
      (await database.query("SELECT FROM deferred WHERE key = 'edge' AND attempts < 3")).length === 0,
    { what: 'its own to be tried' },
  );
  t.deepEqual(await database.query("SELECT attempts FROM deferred WHERE key = 'elsewhere'"), [
    { attempts: 1 },
  ]);
});

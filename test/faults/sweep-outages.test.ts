import { randomUUID } from 'node:crypto';
import ava from 'ava';
import { connectClient } from '../client/brokers.ts';
import { startConductorHere } from '../support/conductor.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';
import { startProxy } from '../support/proxy.ts';
import { needs, service } from '../support/services.ts';
import { waitFor } from '../support/wait.ts';
import { insertInstances } from '../support/worker.ts';

/** The sweep of a whole replica, at the edges of an outage. */

const test = needs(ava, 'rabbitmq', 'postgres');

async function openVhost(t: { teardown(end: () => Promise<unknown>): void }) {
  const broker = service('rabbitmq');
  const vhost = `sweep-${randomUUID()}`;
  const url = await broker.createVhost(vhost);
  t.teardown(() => broker.deleteVhost(vhost));
  return { url, port: broker.port };
}

/** Milliseconds. Guests beat every second, so that a busy machine makes none of them silent. */
const sweep = { mode: 'on', heartbeatExpiry: 10_000, grace: 12_000, interval: 200, maxShare: 1, suspect: 1 };

const swept = async (database: TestDatabase) =>
  (
    await database.query<{ id: string }>(
      "SELECT instance_id AS id FROM status_transitions WHERE cause = 'sweep' ORDER BY instance_id",
    )
  ).map(({ id }) => id);

test('an outage of the broker makes no guest unknown, and a guest that falls silent later becomes unknown', async (t) => {
  const { url, port } = await openVhost(t);
  const proxy = await startProxy(port);
  t.teardown(proxy.stop);
  const database = await createDatabase(t, { migrated: true });
  const ids = Array.from({ length: 10 }, (_, index) => `guest-${index}`);
  await insertInstances(database, ...ids);
  const entry = { kind: 'amqp091', url: proxy.url(url) };
  await startConductorHere(t, { database: database.url, transports: { rabbit: entry }, settings: { sweep } });
  const client = await connectClient(t, entry, { sender: 'guests' });
  const alive = new Set(ids);
  const beat = () => {
    // During the outage a newer one takes the place of one that waits.
    for (const id of alive)
      client
        .cast('heartbeat', { instance_id: id, payload: { service_status: 'running' } }, { sender: id })
        .catch(() => {});
  };
  beat();
  const beating = setInterval(beat, 1000);
  t.teardown(async () => clearInterval(beating));
  const heard = async (age: string) => {
    const rows = await database.query(
      `SELECT FROM service_statuses WHERE updated_at ${age} now() AT TIME ZONE 'utc' - interval '10 s'`,
    );
    return rows.length === ids.length;
  };
  await waitFor(() => heard('>'), { what: 'all guests to be heard' });
  proxy.refuse();
  proxy.cut();
  await waitFor(() => heard('<'), {
    what: 'all guests to be silent for longer than the expiry',
    timeout: 60_000,
  });
  await proxy.restore();
  await waitFor(() => heard('>'), { what: 'all guests to be heard again', timeout: 60_000 });
  alive.delete('guest-3');
  await waitFor(async () => (await swept(database)).length > 0, { what: 'the sweep', timeout: 120_000 });
  t.deepEqual(await swept(database), ['guest-3']);
});

test('a replica that starts into a backlog of an hour makes no guest unknown', async (t) => {
  const { url } = await openVhost(t);
  const database = await createDatabase(t, { migrated: true });
  const guests = 300;
  const ids = Array.from({ length: guests }, (_, index) => `guest-${index}`);
  await insertInstances(database, ...ids);
  await database.query(
    `INSERT INTO service_statuses (id, instance_id, status_id, status_description, updated_at)
     SELECT id, id, 1, 'running', now() AT TIME ZONE 'utc' - interval '1 hour' FROM instances`,
  );
  const transports = { rabbit: { kind: 'amqp091', url } };
  // It makes the queue.
  const first = await startConductorHere(t, { database: database.url, transports });
  await first.stop();
  const client = await connectClient(t, transports.rabbit, { sender: 'guests' });
  const now = Date.now() / 1000;
  const rounds = 20;
  // The guests of the second half are heard only after all those of the first half.
  for (const half of [ids.slice(0, guests / 2), ids.slice(guests / 2)])
    for (let round = 0; round < rounds; round += 1)
      await Promise.all(
        half.map((id) =>
          client.cast(
            'heartbeat',
            { instance_id: id, sent: now - 3600 + round, payload: { service_status: 'running' } },
            { sender: id },
          ),
        ),
      );
  const conductor = await startConductorHere(t, {
    database: database.url,
    transports,
    settings: {
      // Without any grace, and slow, so that the sweep looks many times in the middle.
      sweep: { ...sweep, grace: 1, interval: 20, suspect: 0.55 },
      maxInFlight: 20,
      workers: { threads: 1, concurrency: 1, maxBatch: 10 },
    },
  });
  const counters = conductor.counters.get('rabbit');
  await waitFor(() => counters?.received === guests * rounds && counters.held === 0, {
    what: 'the backlog to be worked off',
    timeout: 120_000,
  });
  t.deepEqual(await swept(database), []);
  // It looked in the middle, and knew why nobody could be judged.
  const reasons = conductor.log.all().map(({ msg, because }) => `${msg}: ${String(because)}`);
  t.true(
    reasons.some((line) => /nearly all guests are silent|a backlog is being worked off/.test(line)),
    reasons.join('\n'),
  );
});

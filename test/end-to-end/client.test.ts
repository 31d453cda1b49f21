import test from 'ava';
import { connectClient } from '../client/brokers.ts';
import { openMosquitto, openRabbitmq, type TestBroker } from '../faults/brokers.ts';
import { startConductorHere } from '../support/conductor.ts';
import { createDatabase } from '../support/database.ts';
import { startProxy } from '../support/proxy.ts';
import { needs, service } from '../support/services.ts';
import { waitFor } from '../support/wait.ts';
import { insertBackup, insertInstances, statusOf } from '../support/worker.ts';

/** The client at one end, a row in Postgres at the other. */

interface Test {
  teardown(end: () => Promise<unknown>): void;
}

for (const [label, name, open] of [
  ['AMQP 0-9-1, native form', 'rabbitmq', (t: Test) => openRabbitmq(t, service('rabbitmq'), 'native')],
  ['AMQP 0-9-1, oslo form', 'rabbitmq', (t: Test) => openRabbitmq(t, service('rabbitmq'), 'oslo')],
  ['MQTT 5, native form', 'mosquitto', async () => openMosquitto(service('mosquitto'))],
] as const) {
  needs(
    test,
    name,
    'postgres',
  )(`${label}: the client's casts are in Postgres, although the connection is cut`, async (t) => {
    const broker: TestBroker = await open(t);
    const database = await createDatabase(t, { migrated: true });
    await insertInstances(database, 'i1');
    await insertBackup(database, 'b1', 'i1');
    await startConductorHere(t, { database: database.url, transports: { guests: broker.entry() } });
    const proxy = await startProxy(broker.port);
    t.teardown(proxy.stop);
    const { kind, ...options } = broker.entry({ proxy });
    const client = await connectClient(t, { kind: String(kind), ...options }, { sender: 'i1' });

    await client.cast('heartbeat', { payload: { service_status: 'building' } });
    const built = await waitFor(() => statusOf(database, 'i1'), { what: 'the first heartbeat' });
    t.is(built.status_description, 'building');

    proxy.cut();
    await client.cast('heartbeat', { payload: { service_status: 'running' } });
    await client.cast('update_backup', { backup_id: 'b1', state: 'COMPLETED', size: 1.5 });
    const ran = await waitFor(
      async () => {
        const row = await statusOf(database, 'i1');
        return row?.status_description === 'running' && row;
      },
      { what: 'the second heartbeat' },
    );
    t.true(ran.sent > built.sent);
    const stored = async () => (await database.query('SELECT state, size FROM backups'))[0];
    await waitFor(async () => (await stored())?.state === 'COMPLETED', { what: 'the backup' });
    t.deepEqual(await stored(), { state: 'COMPLETED', size: 1.5 });
    t.deepEqual(await database.query('SELECT reason, detail FROM dead_letters'), []);
  });
}

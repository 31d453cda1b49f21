import { randomUUID } from 'node:crypto';
import ava from 'ava';
import mqtt from 'mqtt';
import { openMosquitto } from '../faults/brokers.ts';
import { Fleet } from '../faults/fleet.ts';
import { startConductorHere } from '../support/conductor.ts';
import { createDatabase } from '../support/database.ts';
import { needs, service } from '../support/services.ts';
import { waitFor } from '../support/wait.ts';

needs(
  ava,
  'mosquitto',
  'postgres',
)('with transitions.publish a listener gets each change of status, in order for each instance', async (t) => {
  const database = await createDatabase(t, { migrated: true });
  const fleet = new Fleet(20);
  await fleet.register(database);
  const broker = openMosquitto(service('mosquitto'));
  const topic = `changes-${randomUUID()}`;
  const heard: Record<string, unknown>[] = [];
  const listener = await mqtt.connectAsync(service('mosquitto').url, { protocolVersion: 5 });
  t.teardown(() => listener.endAsync());
  listener.on('message', (_, body) => void heard.push(JSON.parse(body.toString())));
  await listener.subscribeAsync(topic, { qos: 1 });
  await startConductorHere(t, {
    database: database.url,
    transports: { guests: broker.entry() },
    settings: { transitions: { publish: 'guests', topic } },
  });
  await broker.publish(fleet.heartbeats(100, broker.form));
  await fleet.arrives(database);
  const recorded = await database.query(
    'SELECT instance_id, old_status, new_status FROM status_transitions ORDER BY instance_id, id',
  );
  await waitFor(() => heard.length >= recorded.length, { what: 'all changes' });
  const inOrder = heard
    .map(({ instance_id, old_status, new_status }) => ({ instance_id, old_status, new_status }))
    .sort((a, b) => String(a.instance_id).localeCompare(String(b.instance_id)));
  const sorted = recorded.toSorted((a, b) => String(a.instance_id).localeCompare(String(b.instance_id)));
  t.deepEqual(inOrder, sorted);
  const left = () =>
    database.query('SELECT attempts, next_attempt_at, error, now() FROM notification_outbox');
  await waitFor(async () => (await left()).length === 0, { what: 'the rows to be deleted' }).catch(
    async (error: unknown) => {
      t.log(await left());
      throw error;
    },
  );
});

import { randomUUID } from 'node:crypto';
import test from 'ava';
import mqtt from 'mqtt';
import { connect } from '../../src/public/client.ts';
import { startConductorHere } from '../support/conductor.ts';
import { createDatabase } from '../support/database.ts';
import { needs, service } from '../support/services.ts';
import { waitFor } from '../support/wait.ts';
import { insertInstances } from '../support/worker.ts';
import {
  attributesOf,
  overAmqp10,
  overAmqp091,
  overMqtt5,
  overMqtt311,
  overNats,
} from './cloudevents-support.ts';

/** CloudEvents over real brokers: in structured mode over each, in binary mode where the protocol has a binding. */

for (const [label, broker, open] of [
  ['AMQP 0-9-1', 'rabbitmq', overAmqp091],
  ['AMQP 1.0', 'rabbitmq', overAmqp10],
  ['NATS', 'nats', overNats],
  ['MQTT 5', 'mosquitto', overMqtt5],
  ['MQTT 3.1.1', 'mosquitto', overMqtt311],
] as const) {
  needs(
    test,
    broker,
    'postgres',
  )(
    `${label}: events of other programs are applied, and a client that speaks CloudEvents gets answers`,
    async (t) => {
      const { entry, publish } = await open(t);
      const database = await createDatabase(t, { migrated: true });
      await insertInstances(database, 'structured', 'binary', 'underscore', 'colon', 'é 1', 'i1');
      const transport = { ...entry, kind: String(entry.kind), codec: 'cloudevents' };
      await startConductorHere(t, { database: database.url, transports: { events: transport } });
      const instances = await publish();
      const reported = async () => {
        const rows = await database.query<{ instance_id: string }>(
          "SELECT instance_id FROM service_statuses WHERE status_description = 'running' AND sent IS NOT NULL",
        );
        const letters = await database.query('SELECT reason, detail FROM dead_letters');
        t.deepEqual(letters, []);
        return instances.every((id) => rows.some(({ instance_id }) => instance_id === id));
      };
      await waitFor(reported, { what: `heartbeats of ${instances}` });
      const { clientId: _, ...sending } = transport as Record<string, unknown> & { kind: string };
      const client = await connect({ transport: sending, sender: 'i1' });
      t.teardown(() => client.close());
      t.like(await client.call('ping', {}, { timeout: 10_000 }), { pong: true });
      await t.throwsAsync(client.call('no_method', {}, { timeout: 10_000 }), { message: /no_method/ });
      await client.cast('heartbeat', { payload: { service_status: 'running' } });
      instances.push('i1');
      await waitFor(reported, { what: 'the heartbeat of the client' });
    },
  );
}

needs(
  test,
  'mosquitto',
  'postgres',
)('an answer to an event has the content type of events', async (t) => {
  const name = `events-${randomUUID()}`;
  const { url } = service('mosquitto');
  const database = await createDatabase(t, { migrated: true });
  const entry = { kind: 'mqtt', url, topic: `${name}/+`, group: name, clientId: name, codec: 'cloudevents' };
  await startConductorHere(t, { database: database.url, transports: { events: entry } });
  const client = await mqtt.connectAsync(url, { protocolVersion: 5 });
  t.teardown(() => client.endAsync());
  const answers: Array<{ type: unknown; body: unknown }> = [];
  client.on('message', (_, body, { properties }) =>
    answers.push({ type: properties?.contentType, body: JSON.parse(body.toString()) }),
  );
  await client.subscribeAsync(`${name}-answers`, { qos: 1 });
  const { type: _, ...attributes } = attributesOf('i1');
  await client.publishAsync(`${name}/i1`, '', {
    qos: 1,
    properties: {
      responseTopic: `${name}-answers`,
      userProperties: { ...attributes, type: 'conductor.ping' },
    },
  });
  const answer = await waitFor(() => answers[0], { what: 'the answer' });
  t.is(answer.type, 'application/cloudevents+json; charset=utf-8');
  t.like(answer.body, { type: 'conductor.answer', data: { result: { pong: true } } });
});

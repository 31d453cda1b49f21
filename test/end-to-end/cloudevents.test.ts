import { randomUUID } from 'node:crypto';
import { jetstream } from '@nats-io/jetstream';
import { connect as connectNats, headers as natsHeaders } from '@nats-io/transport-node';
import { connect as connectAmqp } from 'amqplib';
import test from 'ava';
import mqtt from 'mqtt';
import rhea from 'rhea';
import { connect } from '../../src/public/client.ts';
import { openRabbitmq } from '../faults/brokers.ts';
import { dataSection, openPublisher } from '../support/amqp10.ts';
import { startConductorHere } from '../support/conductor.ts';
import { createDatabase } from '../support/database.ts';
import { needs, service } from '../support/services.ts';
import { waitFor } from '../support/wait.ts';
import { insertInstances } from '../support/worker.ts';

/** CloudEvents over real brokers: in structured mode over each, in binary mode where the protocol has a binding. */

const structuredType = 'application/cloudevents+json';

const attributesOf = (instance: string) => ({
  specversion: '1.0',
  id: randomUUID(),
  source: `/guests/${instance}`,
  type: 'com.example.heartbeat',
  time: new Date().toISOString(),
});
const data = { payload: { service_status: 'running' } };
const structured = (instance: string) =>
  Buffer.from(JSON.stringify({ ...attributesOf(instance), datacontenttype: 'application/json', data }));
const binary = Buffer.from(JSON.stringify(data));

interface Test {
  teardown(end: () => Promise<unknown>): void;
}

/** Publishes an event about an instance in each mode that the protocol has; returns the instances. */
type Publish = (t: Test) => Promise<{ entry: Record<string, unknown>; publish(): Promise<string[]> }>;

const overAmqp091: Publish = async (t) => {
  const broker = await openRabbitmq(t, service('rabbitmq'), 'native');
  const { url } = broker.entry();
  return {
    entry: { kind: 'amqp091', url },
    async publish() {
      const connection = await connectAmqp(String(url));
      t.teardown(() => connection.close());
      const channel = await connection.createConfirmChannel();
      channel.publish('conductor', 'conductor.structured', structured('structured'), {
        contentType: structuredType,
      });
      await channel.waitForConfirms();
      return ['structured'];
    },
  };
};

const overAmqp10: Publish = async (t) => {
  const rabbitmq = service('rabbitmq');
  const broker = await openRabbitmq(t, rabbitmq, 'native');
  const url = String(broker.entry().url);
  return {
    entry: { kind: 'amqp10', url },
    async publish() {
      const vhost = decodeURIComponent(new URL(url).pathname.slice(1));
      const publisher = await openPublisher({
        port: rabbitmq.port,
        vhost,
        user: 'guest',
        address: '/amq/queue/conductor',
      });
      t.teardown(publisher.close);
      await publisher.send({ content_type: structuredType, body: dataSection(structured('structured')) });
      for (const [instance, prefix] of [
        ['underscore', 'cloudEvents_'],
        ['colon', 'cloudEvents:'],
      ] as const) {
        const { time, ...attributes } = attributesOf(instance);
        await publisher.send({
          content_type: 'application/json',
          application_properties: {
            ...Object.fromEntries(Object.entries(attributes).map(([name, value]) => [prefix + name, value])),
            [`${prefix}time`]: rhea.types.wrap_timestamp(Date.parse(time)),
          },
          body: dataSection(binary),
        });
      }
      return ['structured', 'underscore', 'colon'];
    },
  };
};

const overNats: Publish = async (t) => {
  const name = `events-${randomUUID()}`;
  const { url } = service('nats');
  return {
    entry: { kind: 'nats', url, stream: name, subject: `${name}.*` },
    async publish() {
      const connection = await connectNats({ servers: url });
      t.teardown(() => connection.close());
      const typed = natsHeaders();
      typed.set('content-type', structuredType);
      await jetstream(connection).publish(`${name}.structured`, structured('structured'), { headers: typed });
      const own = natsHeaders();
      for (const [key, value] of Object.entries({ ...attributesOf('binary'), subject: 'é 1' }))
        own.set(`ce-${key}`, encodeURIComponent(value));
      await jetstream(connection).publish(`${name}.binary`, binary, { headers: own });
      return ['structured', 'é 1'];
    },
  };
};

const overMqtt5: Publish = async (t) => {
  const name = `events-${randomUUID()}`;
  const { url } = service('mosquitto');
  return {
    entry: { kind: 'mqtt', url, topic: `${name}/+`, group: name, clientId: name },
    async publish() {
      const client = await mqtt.connectAsync(url, { protocolVersion: 5 });
      t.teardown(() => client.endAsync());
      await client.publishAsync(`${name}/structured`, structured('structured'), {
        qos: 1,
        properties: { contentType: structuredType },
      });
      await client.publishAsync(`${name}/binary`, binary, {
        qos: 1,
        properties: { contentType: 'application/json', userProperties: attributesOf('binary') },
      });
      return ['structured', 'binary'];
    },
  };
};

const overMqtt311: Publish = async (t) => {
  const name = `events-${randomUUID()}`;
  const { url } = service('mosquitto');
  return {
    entry: { kind: 'mqtt', url, version: '3.1.1', topic: `${name}/+`, group: name, clientId: name },
    async publish() {
      const client = await mqtt.connectAsync(url, { protocolVersion: 4 });
      t.teardown(() => client.endAsync());
      await client.publishAsync(`${name}/structured`, structured('structured'), { qos: 1 });
      return ['structured'];
    },
  };
};

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

/** Attributes that no honest sender writes, each on top of good ones. */
const hostile: ReadonlyArray<Record<string, string>> = [
  { id: 'x'.repeat(30_000) },
  { type: '\u{1f426}'.repeat(300) },
  { type: 'a.__proto__' },
  { source: '/'.repeat(3000) },
  { subject: 'x'.repeat(37) },
  { time: '9999999999-01-01T00:00:00Z' },
  { time: '2026-02-31T25:61:00Z' },
  { specversion: '1.1' },
  { datacontenttype: 'text/plain' },
  { methodversion: '9.9' },
  { user: '"},"type":"ping' },
  { empty: '', [`x${'y'.repeat(2000)}`]: 'long' },
];
const hostileBodies = ['', '{', '{}},{"a":1', '[]', '\0', '"x"', `${'['.repeat(50_000)}`].map((text) =>
  Buffer.from(text),
);

type Send = (attributes: Readonly<Record<string, string>>, body: Buffer) => Promise<unknown>;

const binarySenders: ReadonlyArray<
  readonly [
    label: string,
    broker: 'rabbitmq' | 'nats' | 'mosquitto',
    open: Publish,
    send: (t: Test, entry: Record<string, unknown>) => Promise<Send>,
  ]
> = [
  [
    'AMQP 1.0',
    'rabbitmq',
    overAmqp10,
    async (t, { url }) => {
      const vhost = decodeURIComponent(new URL(String(url)).pathname.slice(1));
      const publisher = await openPublisher({
        port: service('rabbitmq').port,
        vhost,
        user: 'guest',
        address: '/amq/queue/conductor',
      });
      t.teardown(publisher.close);
      return (attributes, body) =>
        publisher.send({
          application_properties: Object.fromEntries(
            Object.entries(attributes).map(([name, value]) => [`cloudEvents_${name}`, value]),
          ),
          body: dataSection(body),
        });
    },
  ],
  [
    'NATS',
    'nats',
    overNats,
    async (t, { url, subject }) => {
      const connection = await connectNats({ servers: String(url) });
      t.teardown(() => connection.close());
      return (attributes, body) => {
        const own = natsHeaders();
        for (const [name, value] of Object.entries(attributes))
          own.set(`ce-${name}`, encodeURIComponent(value));
        return jetstream(connection).publish(String(subject).replace('*', 'g'), body, { headers: own });
      };
    },
  ],
  [
    'MQTT 5',
    'mosquitto',
    overMqtt5,
    async (t, { url, topic }) => {
      const client = await mqtt.connectAsync(String(url), { protocolVersion: 5 });
      t.teardown(() => client.endAsync());
      return (attributes, body) =>
        client.publishAsync(String(topic).replace('+', 'g'), body, {
          qos: 1,
          properties: { userProperties: { ...attributes } },
        });
    },
  ],
];

for (const [label, broker, open, sending] of binarySenders) {
  needs(
    test,
    broker,
    'postgres',
  )(`${label}: hostile events in binary mode harm only themselves`, async (t) => {
    const { entry } = await open(t);
    const database = await createDatabase(t, { migrated: true });
    await insertInstances(database, 'good');
    const events = { ...entry, codec: 'cloudevents' };
    const conductor = await startConductorHere(t, { database: database.url, transports: { events } });
    const send = await sending(t, entry);
    for (const wrong of hostile) await send({ ...attributesOf('bad'), ...wrong }, binary);
    for (const body of hostileBodies) await send(attributesOf('bad'), body);
    await send(attributesOf('good'), binary);
    const account = conductor.counters.get('events');
    const count = hostile.length + hostileBodies.length + 1;
    const settled = () => {
      const { applied = 0, deferred = 0, dead = 0 } = account?.outcomes ?? {};
      return applied + deferred + dead === count;
    };
    await waitFor(settled, { what: 'an outcome of each event' });
    const rows = await database.query('SELECT instance_id FROM service_statuses');
    t.deepEqual(rows, [{ instance_id: 'good' }]);
    t.is(account?.received, count, 'none comes again');
    const crashes = await database.query("SELECT detail FROM dead_letters WHERE reason = 'crash'");
    t.deepEqual(crashes, []);
  });
}

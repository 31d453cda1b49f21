import { jetstream } from '@nats-io/jetstream';
import { connect as connectNats, headers as natsHeaders } from '@nats-io/transport-node';
import test from 'ava';
import mqtt from 'mqtt';
import { dataSection, openPublisher } from '../support/amqp10.ts';
import { startConductorHere } from '../support/conductor.ts';
import { createDatabase } from '../support/database.ts';
import { needs, service } from '../support/services.ts';
import { waitFor } from '../support/wait.ts';
import { insertInstances } from '../support/worker.ts';
import {
  attributesOf,
  binary,
  overAmqp10,
  overMqtt5,
  overNats,
  type Publish,
  type Test,
} from './cloudevents-support.ts';

/** Events in binary mode whose attributes and bodies no honest sender writes. */

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

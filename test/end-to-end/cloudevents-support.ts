import { randomUUID } from 'node:crypto';
import { jetstream } from '@nats-io/jetstream';
import { connect as connectNats, headers as natsHeaders } from '@nats-io/transport-node';
import { connect as connectAmqp } from 'amqplib';
import mqtt from 'mqtt';
import rhea from 'rhea';
import { openRabbitmq } from '../faults/brokers.ts';
import { dataSection, openPublisher } from '../support/amqp10.ts';
import { service } from '../support/services.ts';

/** Programs that publish CloudEvents over real brokers, without any code of ours. */

export const structuredType = 'application/cloudevents+json';

export const attributesOf = (instance: string) => ({
  specversion: '1.0',
  id: randomUUID(),
  source: `/guests/${instance}`,
  type: 'com.example.heartbeat',
  time: new Date().toISOString(),
});
const data = { payload: { service_status: 'running' } };
const structured = (instance: string) =>
  Buffer.from(JSON.stringify({ ...attributesOf(instance), datacontenttype: 'application/json', data }));
export const binary = Buffer.from(JSON.stringify(data));

export interface Test {
  teardown(end: () => Promise<unknown>): void;
}

/** Publishes an event about an instance in each mode that the protocol has; returns the instances. */
export type Publish = (t: Test) => Promise<{ entry: Record<string, unknown>; publish(): Promise<string[]> }>;

export const overAmqp091: Publish = async (t) => {
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

export const overAmqp10: Publish = async (t) => {
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

export const overNats: Publish = async (t) => {
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

export const overMqtt5: Publish = async (t) => {
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

export const overMqtt311: Publish = async (t) => {
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

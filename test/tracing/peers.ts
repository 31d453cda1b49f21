import { randomUUID } from 'node:crypto';
import { jetstream } from '@nats-io/jetstream';
import { connect as connectNats, headers as natsHeaders } from '@nats-io/transport-node';
import { connect as connectAmqp } from 'amqplib';
import mqtt from 'mqtt';
import { openRabbitmq } from '../faults/brokers.ts';
import { dataSection, listen, openPublisher } from '../support/amqp10.ts';
import { service } from '../support/services.ts';

/** Senders with properties of their own over real brokers, without any code of ours. */

export interface Sent {
  readonly body: string;
  /** The properties that any library of OpenTelemetry's writes. */
  readonly properties?: Readonly<Record<string, string>>;
  /** Of a call: its answer has the same id. */
  readonly call?: string;
}

export interface Answer {
  readonly correlationId: string;
  /** The properties of the answer whose names its sender chooses. */
  readonly properties: Readonly<Record<string, unknown>>;
}

export interface Peer {
  readonly entry: Readonly<Record<string, unknown>>;
  /** Connects, once the conductor consumes. */
  open(): Promise<{ send(message: Sent): Promise<void>; readonly answers: ReadonlyArray<Answer> }>;
}

interface Test {
  teardown(end: () => Promise<unknown>): void;
}

/** The instance that sends. */
export const sender = 'i1';

async function amqp091(t: Test): Promise<Peer> {
  const url = String((await openRabbitmq(t, service('rabbitmq'), 'native')).entry().url);
  return {
    entry: { kind: 'amqp091', url },
    async open() {
      const connection = await connectAmqp(url);
      t.teardown(() => connection.close());
      const channel = await connection.createConfirmChannel();
      const { queue } = await channel.assertQueue('', { exclusive: true });
      const answers: Answer[] = [];
      await channel.consume(
        queue,
        (message) => {
          const { correlationId, headers = {} } = message?.properties ?? {};
          answers.push({ correlationId: String(correlationId), properties: headers });
        },
        { noAck: true },
      );
      return {
        answers,
        async send({ body, properties = {}, call }) {
          channel.publish('conductor', `conductor.${sender}`, Buffer.from(body), {
            contentType: 'application/json',
            contentEncoding: 'utf-8',
            headers: { 'x-first': { nested: [1, 'a'] }, ...properties },
            ...(call !== undefined && { correlationId: call, replyTo: queue }),
          });
          await channel.waitForConfirms();
        },
      };
    },
  };
}

async function amqp10(t: Test): Promise<Peer> {
  const rabbitmq = service('rabbitmq');
  const url = String((await openRabbitmq(t, rabbitmq, 'native')).entry().url);
  return {
    entry: { kind: 'amqp10', url },
    async open() {
      const vhost = decodeURIComponent(new URL(url).pathname.slice(1));
      const options = { port: rabbitmq.port, vhost, user: 'guest' };
      const publisher = await openPublisher({ ...options, address: '/amq/queue/conductor' });
      t.teardown(publisher.close);
      const answers: Answer[] = [];
      const replyTo = '/queue/answers';
      const listener = await listen({ ...options, address: replyTo }, (message) =>
        answers.push({
          correlationId: String(message.correlation_id),
          properties: message.application_properties ?? {},
        }),
      );
      t.teardown(listener.close);
      return {
        answers,
        send: ({ body, properties = {}, call }) =>
          publisher.send({
            application_properties: { first: 1, ...properties },
            body: dataSection(Buffer.from(body)),
            ...(call !== undefined && { correlation_id: call, reply_to: replyTo }),
          }),
      };
    },
  };
}

async function nats(t: Test): Promise<Peer> {
  const name = `traces-${randomUUID()}`;
  const { url } = service('nats');
  return {
    entry: { kind: 'nats', url, stream: name, subject: `${name}.*` },
    async open() {
      const connection = await connectNats({ servers: url });
      t.teardown(() => connection.close());
      const answers: Answer[] = [];
      const replyTo = `_INBOX.${name}`;
      connection.subscribe(replyTo, {
        callback(_error, message) {
          const entries = [...(message.headers ?? [])].map(([key, values]) => [key, values[0]]);
          const properties = Object.fromEntries(entries);
          answers.push({ correlationId: String(properties['Conductor-Correlation-Id']), properties });
        },
      });
      await connection.flush();
      return {
        answers,
        async send({ body, properties = {}, call }) {
          const headers = natsHeaders();
          headers.set('First', '1');
          for (const [key, value] of Object.entries(properties)) headers.set(key, value);
          if (call !== undefined) {
            headers.set('Conductor-Reply-To', replyTo);
            headers.set('Conductor-Correlation-Id', call);
          }
          await jetstream(connection).publish(`${name}.${sender}`, body, { headers });
        },
      };
    },
  };
}

async function mqtt5(t: Test): Promise<Peer> {
  const name = `traces-${randomUUID()}`;
  const { url } = service('mosquitto');
  return {
    entry: { kind: 'mqtt', url, topic: `${name}/+`, group: name, clientId: name },
    async open() {
      const client = await mqtt.connectAsync(url, { protocolVersion: 5 });
      t.teardown(() => client.endAsync());
      const answers: Answer[] = [];
      const responseTopic = `answers/${name}`;
      client.on('message', (_topic, _body, { properties }) => {
        const correlationId = String(properties?.correlationData);
        answers.push({ correlationId, properties: { ...properties?.userProperties } });
      });
      await client.subscribeAsync(responseTopic, { qos: 1 });
      return {
        answers,
        async send({ body, properties = {}, call }) {
          await client.publishAsync(`${name}/${sender}`, body, {
            qos: 1,
            properties: {
              userProperties: { first: ['1', '2'], ...properties },
              ...(call !== undefined && { correlationData: Buffer.from(call), responseTopic }),
            },
          });
        },
      };
    },
  };
}

export const peers = [
  { label: 'AMQP 0-9-1', service: 'rabbitmq', open: amqp091 },
  { label: 'AMQP 1.0', service: 'rabbitmq', open: amqp10 },
  { label: 'NATS', service: 'nats', open: nats },
  { label: 'MQTT 5', service: 'mosquitto', open: mqtt5 },
] as const;

export function heartbeat(): string {
  const args = { instance_id: sender, sent: Date.now() / 1000, payload: { service_status: 'running' } };
  return JSON.stringify({ method: 'heartbeat', args });
}
export const ping = JSON.stringify({ method: 'ping', args: {} });

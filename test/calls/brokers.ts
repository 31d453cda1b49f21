import { randomUUID } from 'node:crypto';
import { connect } from 'amqplib';
import mqtt from 'mqtt';
import { isObject, type JsonObject } from '../../src/core/json.ts';
import type { TcpProxy } from '../support/proxy.ts';
import { service } from '../support/services.ts';
import { waitFor } from '../support/wait.ts';
import type { Answered } from './support.ts';

/** The two brokers as a caller of the native form sees them, without any library of ours. */

export interface CallBroker {
  readonly port: number;
  /** The transport's entry in the configuration. */
  entry(proxy?: TcpProxy): Record<string, unknown>;
  /** A caller or guest whose name the address proves. */
  open(sender: string): Promise<Client>;
}

export interface Client {
  /** Sends a call; resolves once the broker has it. */
  call(method: string, args: JsonObject, messageId?: string): Promise<void>;
  cast(method: string, args: JsonObject): Promise<void>;
  /** What has come back so far, by the message ids of the calls; one list entry an answer. */
  readonly answers: ReadonlyMap<string, ReadonlyArray<Answered>>;
  /** Calls and waits for the answer. */
  ask(method: string, args: JsonObject, messageId?: string): Promise<Answered>;
}

/** The part of ava's `t` that is used here. */
interface Test {
  teardown(end: () => Promise<unknown>): void;
}

export const callBrokers = [
  { label: 'AMQP 0-9-1', service: 'rabbitmq', open: openRabbitmq },
  { label: 'MQTT 5', service: 'mosquitto', open: openMosquitto },
] as const;

export async function openRabbitmq(t: Test): Promise<CallBroker> {
  const broker = service('rabbitmq');
  const vhost = `models-${randomUUID()}`;
  const url = await broker.createVhost(vhost);
  t.teardown(() => broker.deleteVhost(vhost));
  return {
    port: broker.port,
    entry: (proxy) => ({ kind: 'amqp091', url: proxy?.url(url) ?? url, auth: { mode: 'subject' } }),
    async open(sender) {
      const connection = await connect(url);
      t.teardown(() => connection.close());
      const channel = await connection.createConfirmChannel();
      const { queue } = await channel.assertQueue('', { exclusive: true });
      const inbox = new Inbox();
      await channel.consume(queue, (message) => {
        if (message === null) return;
        inbox.add(message.properties.correlationId, message.content.toString());
        channel.ack(message);
      });
      const publish = async (body: string, properties: object) => {
        channel.publish('conductor', `conductor.${sender}`, Buffer.from(body), {
          persistent: true,
          ...properties,
        });
        await channel.waitForConfirms();
      };
      return clientOf(inbox, publish, (id) => ({ messageId: id, correlationId: id, replyTo: queue }));
    },
  };
}

export async function openMosquitto(t: Test): Promise<CallBroker> {
  const { port, url } = service('mosquitto');
  const name = `models-${randomUUID()}`;
  return {
    port,
    entry: (proxy) => ({
      kind: 'mqtt',
      url: proxy?.url(url) ?? url,
      topic: `${name}/+`,
      group: name,
      clientId: name,
      auth: { mode: 'subject' },
    }),
    async open(sender) {
      const client = await mqtt.connectAsync(url, { protocolVersion: 5 });
      t.teardown(() => client.endAsync());
      const responseTopic = `replies/${randomUUID()}`;
      await client.subscribeAsync(responseTopic, { qos: 1 });
      const inbox = new Inbox();
      client.on('message', (_, payload, { properties }) => {
        inbox.add(properties?.correlationData?.toString(), payload.toString());
      });
      const publish = async (body: string, properties: object) =>
        void (await client.publishAsync(`${name}/${sender}`, body, { qos: 1, properties }));
      return clientOf(inbox, publish, (id) => ({
        responseTopic,
        correlationData: Buffer.from(id),
        userProperties: { 'message-id': id },
      }));
    },
  };
}

class Inbox {
  readonly answers = new Map<string, Answered[]>();

  add(id: unknown, text: string): void {
    const answer: unknown = JSON.parse(text);
    if (typeof id !== 'string' || !isObject(answer)) throw new Error(`an answer to nothing: ${text}`);
    this.answers.set(id, [...(this.answers.get(id) ?? []), answer]);
  }
}

function clientOf(
  { answers }: Inbox,
  publish: (body: string, properties: object) => Promise<void>,
  propertiesOf: (id: string) => object,
): Client {
  const call: Client['call'] = (method, args, id = randomUUID()) =>
    publish(JSON.stringify({ method, args }), propertiesOf(id));
  return {
    answers,
    call,
    cast: (method, args) => publish(JSON.stringify({ method, args }), {}),
    async ask(method, args, id = randomUUID()) {
      const before = answers.get(id)?.length ?? 0;
      await call(method, args, id);
      return waitFor(() => answers.get(id)?.[before], { what: `the answer to ${method}` });
    },
  };
}

/** The brokers as the fault tests see them: something to publish to, and an entry for the conductor's configuration. */
import { randomUUID } from 'node:crypto';
import { connect } from 'amqplib';
import mqtt, { type IClientOptions } from 'mqtt';
import type { Mosquitto } from '../support/mosquitto.ts';
import type { TcpProxy } from '../support/proxy.ts';
import type { Rabbitmq } from '../support/rabbitmq-api.ts';
import { service } from '../support/services.ts';
import { waitFor } from '../support/wait.ts';
import { openNats } from './nats-broker.ts';

export type WireForm = 'native' | 'oslo';

export interface Message {
  /** The instance. */
  readonly sender: string;
  readonly body: Uint8Array;
}

export interface TestBroker {
  readonly port: number;
  readonly form: WireForm;
  /** The transport's entry in the configuration. */
  entry(options?: EntryOptions): Record<string, unknown>;
  /** Makes the broker keep what is published from now on, though no replica is there yet. */
  keep(replica?: string): Promise<void>;
  /** Resolves once the broker has taken all of them. */
  publish(messages: ReadonlyArray<Message>): Promise<void>;
  /** Whether the broker keeps nothing for the replica, which has stopped. Ask once: what is kept in a session ends by it. */
  isEmptied(replica?: string): Promise<boolean>;
  /** How many messages the broker has delivered again, by its own account; undefined where it keeps none. */
  redelivered(): Promise<number | undefined>;
  /** What a replica that was killed has held comes behind what it had not. */
  readonly redeliversLast?: boolean;
}

export interface EntryOptions {
  /** Which of several it is for. */
  readonly replica?: string;
  readonly proxy?: TcpProxy;
  /** Seconds between two signs of life; the transport's default unless told. */
  readonly keepalive?: number;
}

/** The part of ava's `t` that is used here. */
interface Test {
  teardown(end: () => Promise<unknown>): void;
}

export interface BrokerKind {
  readonly label: string;
  readonly service: 'rabbitmq' | 'mosquitto' | 'nats';
  /** Room of the test's own on the broker of this run. */
  open(t: Test): Promise<TestBroker>;
}

/** Each transport with a wire form that its guests use: the same test for each. */
export const brokerKinds: ReadonlyArray<BrokerKind> = [
  { label: 'AMQP 0-9-1', service: 'rabbitmq', open: (t) => openRabbitmq(t, service('rabbitmq'), 'oslo') },
  { label: 'AMQP 1.0', service: 'rabbitmq', open: (t) => openRabbitmqAmqp10(t, service('rabbitmq')) },
  { label: 'MQTT 5', service: 'mosquitto', open: async () => openMosquitto(service('mosquitto')) },
  { label: 'NATS', service: 'nats', open: () => openNats(service('nats')) },
];

/** Messages that are on their way to the broker at once. */
const publishWindow = 1000;

/** A virtual host with a durable queue, as a deployer makes it who loses nothing when the broker restarts. */
export async function openRabbitmq(t: Test, rabbitmq: Rabbitmq, form: WireForm): Promise<TestBroker> {
  const vhost = `faults-${randomUUID()}`;
  const url = await rabbitmq.createVhost(vhost);
  t.teardown(() => rabbitmq.deleteVhost(vhost));
  const [exchange, queue, key] =
    form === 'oslo'
      ? ['trove', 'trove-conductor', 'trove-conductor']
      : ['conductor', 'conductor', 'conductor.*'];
  const withChannel = async (
    work: (channel: Awaited<ReturnType<typeof openChannel>>['channel']) => Promise<unknown>,
  ) => {
    const { connection, channel } = await openChannel(url);
    await work(channel);
    await connection.close();
  };
  await withChannel(async (channel) => {
    await channel.assertExchange(exchange, 'topic', { durable: true });
    await channel.assertQueue(queue, { durable: true });
    await channel.bindQueue(queue, exchange, key);
  });
  return {
    port: rabbitmq.port,
    form,
    entry: ({ proxy, keepalive } = {}) => ({
      kind: 'amqp091',
      url: proxy?.url(url) ?? url,
      codec: form,
      ...(keepalive !== undefined && { heartbeat: keepalive }),
      ...(form === 'native' && { auth: { mode: 'subject' } }),
    }),
    // A queue keeps messages for whoever comes.
    keep: async () => {},
    publish: (messages) =>
      withChannel(async (channel) => {
        for (const window of windows(messages)) {
          for (const { sender, body } of window) {
            const routingKey = form === 'oslo' ? key : `conductor.${sender}`;
            channel.publish(exchange, routingKey, Buffer.from(body), { persistent: true });
          }
          await channel.waitForConfirms();
        }
      }),
    // The figures of the management are a second old.
    isEmptied: async () =>
      waitFor(
        async () => {
          const stats = await rabbitmq.queueStats(vhost, queue);
          return stats?.ready === 0 && stats.unacked === 0;
        },
        { what: 'the queue to be empty' },
      ),
    redelivered: async () => (await rabbitmq.queueStats(vhost, queue))?.redelivered,
  };
}

async function openChannel(url: string) {
  const connection = await connect(url);
  return { connection, channel: await connection.createConfirmChannel() };
}

/** The same queue over AMQP 1.0. Messages are published over AMQP 0-9-1, as a fleet's are that has not been moved yet. */
export async function openRabbitmqAmqp10(t: Test, rabbitmq: Rabbitmq): Promise<TestBroker> {
  const broker = await openRabbitmq(t, rabbitmq, 'oslo');
  return { ...broker, entry: (options) => ({ ...broker.entry(options), kind: 'amqp10' }) };
}

/** A topic of the test's own, whose last level the broker's own rules would bind to the sender. */
export function openMosquitto({ port, url }: Mosquitto): TestBroker {
  const name = `faults-${randomUUID()}`;
  const clientId = (replica = 'test') => `${name}-${replica}`;
  const topic = `${name}/+`;
  return {
    port,
    form: 'native',
    entry: ({ replica, proxy, keepalive } = {}) => ({
      kind: 'mqtt',
      url: proxy?.url(url) ?? url,
      topic,
      group: name,
      clientId: clientId(replica),
      auth: { mode: 'subject' },
      ...(keepalive !== undefined && { keepalive }),
    }),
    // As if the replica had been there before, and had left without a word.
    keep: async (replica) => {
      const client = await mqtt.connectAsync(url, { ...session, clientId: clientId(replica) });
      await client.subscribeAsync(`$share/${name}/${topic}`, { qos: 1 });
      await client.endAsync();
    },
    publish: async (messages) => {
      const client = await mqtt.connectAsync(url, { protocolVersion: 5, reconnectPeriod: 0 });
      for (const window of windows(messages)) {
        await Promise.all(
          window.map(({ sender, body }) =>
            client.publishAsync(`${name}/${sender}`, Buffer.from(body), { qos: 1 }),
          ),
        );
      }
      await client.endAsync();
    },
    isEmptied: async (replica) => !(await hasSession(url, clientId(replica))),
    redelivered: async () => undefined,
  };
}

const session = {
  protocolVersion: 5,
  clean: false,
  properties: { sessionExpiryInterval: 3600 },
  reconnectPeriod: 0,
} as const satisfies IClientOptions;

/** Whether the broker keeps a session, with whatever waits in it; ends it by asking. */
async function hasSession(url: string, clientId: string): Promise<boolean> {
  const properties = { sessionExpiryInterval: 0 };
  const client = mqtt.connect(url, { ...session, properties, clientId, manualConnect: true });
  const present = await new Promise<boolean>((resolve, reject) => {
    client.once('connect', ({ sessionPresent }) => resolve(sessionPresent));
    client.once('error', reject);
    client.connect();
  });
  await client.endAsync();
  return present;
}

function windows(messages: ReadonlyArray<Message>): Message[][] {
  const count = Math.ceil(messages.length / publishWindow);
  return Array.from({ length: count }, (_, n) => messages.slice(n * publishWindow, (n + 1) * publishWindow));
}

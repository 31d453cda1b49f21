/** The brokers as the fault tests see them: something to publish to, and an entry for the conductor's configuration. */
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect } from 'amqplib';
import mqtt, { type IClientOptions } from 'mqtt';
import type { Mosquitto } from '../support/mosquitto.ts';
import type { TcpProxy } from '../support/proxy.ts';
import type { Rabbitmq } from '../support/rabbitmq-api.ts';
import { waitFor } from '../support/wait.ts';

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
export interface Test {
  teardown(end: () => Promise<unknown>): void;
}

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
    await channel.assertQueue(queue, { durable: true, arguments: rabbitmq.queueArguments ?? {} });
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
          if (stats?.ready === 0 && stats.unacked === 0) return true;
          const channels = await rabbitmq.consumingChannels(vhost);
          throw new Error(JSON.stringify({ ...stats, channels }));
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

export interface MosquittoForm {
  readonly version?: '5' | '3.1.1';
  readonly shared?: boolean;
}

/** A topic of the test's own, whose last level the broker's own rules would bind to the sender. */
export function openMosquitto(
  { port, url }: Mosquitto,
  { version = '5', shared = true }: MosquittoForm = {},
): TestBroker {
  const name = `faults-${randomUUID()}`;
  const clientId = (replica = 'test') => `${name}-${replica}`;
  const topic = `${name}/+`;
  const asReplica = (replica?: string) => ({ ...sessionOf(version), clientId: clientId(replica) });
  return {
    port,
    form: 'native',
    entry: ({ replica, proxy, keepalive } = {}) => ({
      kind: 'mqtt',
      url: proxy?.url(url) ?? url,
      version,
      topic,
      shared,
      group: name,
      clientId: clientId(replica),
      auth: { mode: 'subject' },
      // One of several leaves its share to the others.
      ...(replica !== undefined && { keepSession: false }),
      ...(keepalive !== undefined && { keepalive }),
    }),
    // As if the replica had been there before, and had left without a word.
    keep: async (replica) => {
      const client = await mqtt.connectAsync(url, asReplica(replica));
      await client.subscribeAsync(shared ? `$share/${name}/${topic}` : topic, { qos: 1 });
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
    isEmptied: async (replica) => (await endSession(url, asReplica(replica))) === 0,
    redelivered: async () => undefined,
  };
}

function sessionOf(version: '5' | '3.1.1'): IClientOptions {
  const lasting = { clean: false, reconnectPeriod: 0 };
  return version === '5'
    ? { ...lasting, protocolVersion: 5, properties: { sessionExpiryInterval: 3600 } }
    : { ...lasting, protocolVersion: 4 };
}

/** Milliseconds in which Mosquitto sends what it has, once it has answered. */
const quietTime = 300;

/** Ends a session that the broker keeps. Resolves with how many messages have come from it. */
async function endSession(url: string, options: IClientOptions): Promise<number> {
  const client = mqtt.connect(url, { ...options, manualConnect: true });
  let count = 0;
  client.on('message', () => {
    count += 1;
  });
  const connected = new Promise((resolve, reject) => {
    client.once('connect', resolve);
    client.once('error', reject);
  });
  client.connect();
  await connected;
  await client.unsubscribeAsync('barrier');
  await sleep(quietTime);
  await client.endAsync();
  const last = await mqtt.connectAsync(url, { ...options, clean: true, properties: {} });
  await last.endAsync();
  return count;
}

function windows(messages: ReadonlyArray<Message>): Message[][] {
  const count = Math.ceil(messages.length / publishWindow);
  return Array.from({ length: count }, (_, n) => messages.slice(n * publishWindow, (n + 1) * publishWindow));
}

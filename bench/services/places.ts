import { jetstream } from '@nats-io/jetstream';
import { connect as connectNats } from '@nats-io/transport-node';
import { connect as connectAmqp } from 'amqplib';
import mqtt from 'mqtt';
import { ConfigError } from '../../src/core/errors.ts';
import type { BenchTransport } from '../brokers/index.ts';
import type { BodyForm } from '../load/body-forms.ts';
import type { Destination } from '../load/publisher.ts';
import { credentials } from '../load/publishers/nats.ts';

/** A place on a broker that the bench has made for itself: a queue, a stream or a topic. Nothing else on the broker is touched. */
export interface Place {
  /** What it consists of, for the report and for an operator who has to remove it. */
  readonly made: string;
  readonly destination: Destination;
  /** The transport's entry in the configuration of a replica. */
  entry(replica: string): Record<string, unknown>;
  /** Removes all that was made. */
  remove(): Promise<void>;
}

export interface PlaceOptions {
  readonly url: string;
  /** Of MQTT: version 3.1.1, without shared subscriptions. */
  readonly isOld?: boolean;
  /** A name that nothing else has: `conductor-bench-` and a random part. */
  readonly name: string;
  readonly codec: BodyForm;
  readonly auth: Readonly<Record<string, unknown>>;
}

const notOurs = (name: string) =>
  `${name} exists on the broker, and the bench did not make it: nothing was changed`;

/** A queue of its own, and its exchange. Rejects if either exists. */
async function makeAmqpQueue({ url, name }: PlaceOptions, hasExchange: boolean) {
  const connection = await connectAmqp(url);
  // A passive declaration of something missing closes its channel, which reports it as an error.
  const exists = async (look: 'checkQueue' | 'checkExchange') => {
    const channel = await connection.createChannel();
    channel.on('error', () => {});
    try {
      await channel[look](name);
      await channel.close();
      return true;
    } catch {
      return false;
    }
  };
  connection.on('error', () => {});
  if ((await exists('checkQueue')) || (hasExchange && (await exists('checkExchange')))) {
    await connection.close();
    throw new ConfigError(notOurs(name));
  }
  const channel = await connection.createChannel();
  await channel.assertQueue(name, { durable: true });
  if (hasExchange) await channel.assertExchange(name, 'topic', { durable: true });
  const version = Number.parseInt(String(connection.connection.serverProperties.version), 10);
  return {
    version,
    async remove() {
      await channel.deleteQueue(name);
      if (hasExchange) await channel.deleteExchange(name);
      await connection.close();
    },
  };
}

async function placeAmqp091(options: PlaceOptions): Promise<Place> {
  const { url, name, codec, auth } = options;
  const queue = await makeAmqpQueue(options, true);
  const isPlain = codec === 'oslo';
  return {
    made: `queue and exchange ${name}`,
    destination: { url, name, isPlain },
    entry: () => ({
      kind: 'amqp091',
      url,
      codec,
      auth,
      queue: name,
      exchange: name,
      routingKey: isPlain ? name : `${name}.*`,
    }),
    remove: queue.remove,
  };
}

/** The replica makes no queue over AMQP 1.0, so the bench makes it over 0-9-1, which RabbitMQ speaks on the same port. */
async function placeAmqp10(options: PlaceOptions): Promise<Place> {
  const { url, name, codec, auth } = options;
  const queue = await makeAmqpQueue(options, false);
  const address = queue.version >= 4 ? `/queues/${name}` : `/amq/queue/${name}`;
  return {
    made: `queue ${name}`,
    destination: { url, name: address, isPlain: false },
    entry: () => ({ kind: 'amqp10', url, codec, auth, address: name }),
    remove: queue.remove,
  };
}

async function placeNats({ url, name, codec, auth }: PlaceOptions): Promise<Place> {
  const connection = await connectNats({ ...credentials(url), reconnect: false });
  const manager = await jetstream(connection).jetstreamManager();
  const stream = name.toUpperCase().replaceAll('-', '_');
  // A server makes a stream that exists with the same settings without a word.
  for await (const name of manager.streams.names()) {
    if (name !== stream) continue;
    await connection.close();
    throw new ConfigError(notOurs(stream));
  }
  await manager.streams.add({ name: stream, subjects: [`${name}.*`], retention: 'workqueue' });
  return {
    made: `stream ${stream}`,
    destination: { url, name, isPlain: false },
    entry: () => ({ kind: 'nats', url, codec, auth, stream, subject: `${name}.*`, expectedReplicas: 8 }),
    async remove() {
      await manager.streams.delete(stream);
      await connection.close();
    },
  };
}

/** MQTT has nothing to make. The sessions of the replicas are what is left behind. */
async function placeMqtt({ url, name, codec, auth, isOld = false }: PlaceOptions): Promise<Place> {
  const clients = new Set<string>();
  return {
    made: `topic ${name}/+`,
    destination: { url, name, isPlain: false, isOld },
    entry: (replica) => {
      const clientId = `${name}-${replica}`;
      clients.add(clientId);
      const entry = { kind: 'mqtt', url, codec, auth, topic: `${name}/+`, group: name, clientId };
      return isOld ? { ...entry, version: '3.1.1', shared: false } : entry;
    },
    async remove() {
      for (const clientId of clients) {
        // A clean start ends the session, and this connection leaves none.
        const client = await mqtt.connectAsync(url, {
          clientId,
          clean: true,
          protocolVersion: isOld ? 4 : 5,
          reconnectPeriod: 0,
        });
        await client.endAsync();
      }
    },
  };
}

/** Makes a place. Rejects if something there has its name. */
export const makePlace: Record<BenchTransport, (options: PlaceOptions) => Promise<Place>> = {
  amqp091: placeAmqp091,
  amqp10: placeAmqp10,
  mqtt: placeMqtt,
  nats: placeNats,
};

/** Listens for notifications, on each broker in the way in which the broker keeps them for a listener that is away. */
import { setTimeout as sleep } from 'node:timers/promises';
import { jetstream } from '@nats-io/jetstream';
import { connect as connectNats } from '@nats-io/transport-node';
import { connect as connectRabbitmq } from 'amqplib';
import mqtt from 'mqtt';
import { requestIdIn } from '../../support/notices.ts';
import type { Cleanup, Listener } from './world.ts';

/** `notifications.topic` of the replicas. The topic on the broker has this ending. */
export const noticeTopic = 'notices';
const topic = `${noticeTopic}.info`;

/** Milliseconds without a further notification, after which those that lack count as lost. */
const patience = 5000;
/** Milliseconds for those that come twice. */
const quiet = 300;

class Heard {
  /** How often each request id was heard. */
  readonly counts = new Map<string, number>();
  #last = performance.now();

  hear(body: Uint8Array): void {
    const id = requestIdIn(body);
    this.counts.set(id, (this.counts.get(id) ?? 0) + 1);
    this.#last = performance.now();
  }

  /** Until so many different ones have come, or none comes any more. */
  async reaches(expected: number): Promise<void> {
    this.#last = performance.now();
    while (this.counts.size < expected && performance.now() - this.#last < patience) await sleep(50);
    await sleep(quiet);
  }
}

/** A durable queue, which is read at the end. */
export async function listenOnRabbitmq(
  url: string,
  exchange: string,
  queueArguments: Readonly<Record<string, unknown>>,
): Promise<Listener> {
  const heard = new Heard();
  const first = await connectRabbitmq(url);
  const channel = await first.createChannel();
  await channel.assertQueue(topic, { durable: true, arguments: queueArguments });
  await channel.bindQueue(topic, exchange, topic);
  await first.close();
  return async (expected) => {
    const connection = await connectRabbitmq(url);
    try {
      const reading = await connection.createChannel();
      await reading.consume(topic, (message) => void (message && heard.hear(message.content)), {
        noAck: true,
      });
      await heard.reaches(expected);
    } finally {
      await connection.close();
    }
    return heard.counts;
  };
}

/** A stream, which is read at the end. */
export async function listenOnNats(servers: string[], replicas: number): Promise<Listener> {
  const first = await connectNats({ servers, noAsyncTraces: true });
  const manager = await jetstream(first).jetstreamManager();
  await manager.streams.add({
    name: noticeTopic,
    subjects: [topic],
    num_replicas: replicas,
    storage: 'file',
  });
  await first.close();
  return async (expected) => {
    const heard = new Heard();
    const connection = await connectNats({ servers, noAsyncTraces: true });
    try {
      const consumer = await jetstream(connection).consumers.get(noticeTopic);
      const messages = await consumer.consume({ callback: (message) => heard.hear(message.data) });
      await heard.reaches(expected);
      await messages.close();
    } finally {
      await connection.close();
    }
    return heard.counts;
  };
}

/** A session that the broker keeps. Its messages are taken at once: Mosquitto keeps a thousand. */
export async function listenOnMqtt(cleanup: Cleanup, url: string): Promise<Listener> {
  const heard = new Heard();
  const client = mqtt.connect(url, {
    protocolVersion: 5,
    clientId: noticeTopic,
    clean: false,
    properties: { sessionExpiryInterval: 3600 },
    reconnectPeriod: 200,
  });
  cleanup.teardown(() => client.endAsync(true));
  // The broker goes; the library connects again.
  client.on('error', () => {});
  client.on('message', (_topic, body) => heard.hear(body));
  const connected = new Promise<void>((resolve) => client.once('connect', () => resolve()));
  await connected;
  await client.subscribeAsync(topic, { qos: 1 });
  return async (expected) => {
    await heard.reaches(expected);
    return heard.counts;
  };
}

import { setTimeout as sleep } from 'node:timers/promises';
import { connect } from 'amqplib';
import mqtt from 'mqtt';
import { startMosquitto } from '../test/support/mosquitto.ts';
import { startRabbitmq } from '../test/support/rabbitmq.ts';
import { startAmqp10 } from './brokers-amqp10.ts';
import { startNatsBroker } from './brokers-nats.ts';
import { instanceId, osloHeartbeat } from './messages.ts';

/** A broker whose queue can be filled, to be drained by the conductor or by a bare consumer. */
export interface BenchBroker {
  readonly pid: number;
  /** The transport's entry in the conductor's configuration. */
  readonly config: Record<string, unknown>;
  /** Puts heartbeats of so many instances on the queue, each with a greater `sent`, and waits until all are there. */
  fill(messages: number, instances: number): Promise<void>;
  stop(): Promise<void>;
}

export type BenchTransport = 'amqp091' | 'amqp10' | 'mqtt' | 'nats';

export const startBroker: Record<BenchTransport, () => Promise<BenchBroker>> = {
  amqp091: startAmqp091,
  amqp10: () => startAmqp10(heartbeats),
  mqtt: startMqtt,
  nats: () => startNatsBroker(heartbeats),
};

/** Seconds since the epoch; grows with each message of the process, so that none is stale. */
let lastSent = 0;

function heartbeats(messages: number, instances: number): Iterable<Buffer> {
  return (function* () {
    for (let k = 0; k < messages; k += 1) {
      lastSent = Math.max(lastSent + 0.000_001, Date.now() / 1000);
      yield osloHeartbeat(instanceId((k % instances) + 1), lastSent, k % 3 === 0 ? 'healthy' : 'running');
    }
  })();
}

/** RabbitMQ with a durable queue and persistent messages. */
async function startAmqp091(): Promise<BenchBroker> {
  const server = await startRabbitmq();
  const connection = await connect(server.url);
  const channel = await connection.createConfirmChannel();
  await channel.assertExchange('trove', 'topic', { durable: true });
  await channel.assertQueue('trove-conductor', { durable: true });
  await channel.bindQueue('trove-conductor', 'trove', 'trove-conductor');
  return {
    pid: server.pid,
    config: { kind: 'amqp091', url: server.url, codec: 'oslo' },
    async fill(messages, instances) {
      let unconfirmed = 0;
      for (const body of heartbeats(messages, instances)) {
        channel.publish('trove', 'trove-conductor', body, {
          persistent: true,
          contentType: 'application/json',
          contentEncoding: 'utf-8',
          priority: 0,
        });
        unconfirmed += 1;
        if (unconfirmed === 1000) {
          await channel.waitForConfirms();
          unconfirmed = 0;
        }
      }
      await channel.waitForConfirms();
    },
    async stop() {
      await connection.close();
      await server.kill();
    },
  };
}

/** Mosquitto with the messages queued for the session of the one replica. */
async function startMqtt(): Promise<BenchBroker> {
  const server = await startMosquitto();
  const config = {
    kind: 'mqtt',
    url: server.url,
    codec: 'oslo',
    clientId: 'drain',
    topic: 'trove/+',
    group: 'bench',
    // The next round fills the same session.
    keepSession: true,
  };
  // The session exists before the messages do, or the broker would have nobody to keep them for.
  const subscriber = await mqtt.connectAsync(server.url, {
    clientId: 'drain',
    clean: false,
    protocolVersion: 5,
    properties: { sessionExpiryInterval: 86_400 },
    reconnectPeriod: 0,
  });
  await subscriber.subscribeAsync('$share/bench/trove/+', { qos: 1 });
  await subscriber.endAsync();
  const publisher = await mqtt.connectAsync(server.url, { clientId: 'fill', protocolVersion: 5 });
  return {
    pid: server.pid,
    config,
    async fill(messages, instances) {
      const unconfirmed: Promise<unknown>[] = [];
      for (const body of heartbeats(messages, instances)) {
        unconfirmed.push(publisher.publishAsync('trove/guest', body, { qos: 1 }));
        if (unconfirmed.length === 1000) await Promise.all(unconfirmed.splice(0));
      }
      await Promise.all(unconfirmed);
      await sleep(200);
    },
    async stop() {
      await publisher.endAsync();
      await server.stop();
    },
  };
}

import { connect } from 'amqplib';
import { startRabbitmq } from '../../test/support/rabbitmq.ts';
import type { BenchBroker } from './broker.ts';
import { heartbeatBodies } from './heartbeats.ts';

/** RabbitMQ with a durable queue and persistent messages. */
export async function startAmqp091(): Promise<BenchBroker> {
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
      for (const body of heartbeatBodies(messages, instances)) {
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

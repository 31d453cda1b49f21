import rhea, { type EventContext } from 'rhea';
import { startRabbitmq } from '../../test/support/rabbitmq.ts';
import type { BenchBroker } from './broker.ts';
import { heartbeatBodies } from './heartbeats.ts';

/** The address that both the bare consumer and the conductor consume from. */
export const benchAddress = '/amq/queue/trove-conductor';

/** RabbitMQ's AMQP 1.0 plugin with a durable queue and durable messages. */
export async function startAmqp10(): Promise<BenchBroker> {
  const server = await startRabbitmq();
  await server.request('PUT', '/queues/%2F/trove-conductor', { durable: true });
  const connection = rhea.create_container().connect({
    host: '127.0.0.1',
    port: server.port,
    username: 'guest',
    password: 'guest',
    reconnect: false,
  });
  const sender = connection.open_sender({ target: { address: benchAddress } });
  await new Promise<void>((resolve, reject) => {
    sender.once('sendable', () => resolve());
    connection.once('disconnected', ({ error }: EventContext) => reject(error));
  });
  return {
    pid: server.pid,
    config: { kind: 'amqp10', url: server.url, codec: 'oslo' },
    async fill(messages, instances) {
      let accepted = 0;
      let arrived: () => void = () => {};
      const onAccepted = () => {
        accepted += 1;
        arrived();
      };
      sender.on('accepted', onAccepted);
      let sent = 0;
      for (const body of heartbeatBodies(messages, instances)) {
        sender.send({
          durable: true,
          content_type: 'application/json',
          content_encoding: 'utf-8',
          body: rhea.message.data_section(body),
        });
        sent += 1;
        // The library keeps 2,048 unsettled messages at most.
        while (sent - accepted >= 1000 || (sent === messages && accepted < sent)) {
          await new Promise<void>((resolve) => {
            arrived = resolve;
          });
        }
      }
      sender.off('accepted', onAccepted);
    },
    async stop() {
      connection.close();
      await server.kill();
    },
  };
}

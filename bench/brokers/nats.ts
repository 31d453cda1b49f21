import { jetstream } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { startNats as startServer } from '../../test/support/nats.ts';
import type { BenchBroker } from './broker.ts';
import { heartbeatBodies } from './heartbeats.ts';

/** nats-server with a work queue stream on disk, as the conductor makes it. */
export async function startNats(): Promise<BenchBroker> {
  const server = await startServer();
  const connection = await connect({ servers: server.url, reconnect: false, noAsyncTraces: true });
  const config = { kind: 'nats', url: server.url, codec: 'oslo', stream: 'BENCH', subject: 'trove.*' };
  const stream = jetstream(connection);
  const manager = await stream.jetstreamManager();
  await manager.streams.add({ name: config.stream, subjects: [config.subject], retention: 'workqueue' });
  return {
    pid: server.pid,
    config,
    async fill(messages, instances) {
      const unconfirmed: Promise<unknown>[] = [];
      for (const body of heartbeatBodies(messages, instances)) {
        unconfirmed.push(stream.publish('trove.guest', body));
        if (unconfirmed.length === 1000) await Promise.all(unconfirmed.splice(0));
      }
      await Promise.all(unconfirmed);
    },
    async stop() {
      await connection.close();
      await server.stop();
    },
  };
}

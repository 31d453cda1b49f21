import { randomUUID } from 'node:crypto';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { service } from '../../support/services.ts';
import { make, type Subject } from './subject.ts';

export const nats: Subject = {
  name: 'nats',
  needs: 'nats',
  settlesOutOfOrder: true,
  boundedByBroker: true,
  async open(t, options = {}) {
    const { url } = service('nats');
    const id = randomUUID();
    const settings = {
      url,
      stream: id,
      subject: `conformance.${id}.*`,
      // What a session that was cut off has held is delivered again after it.
      ackWait: 3000,
      auth: { mode: 'subject' },
      ...options,
    };
    const connection = await connect({ servers: url, reconnect: false });
    t.teardown(async () => {
      const manager = await jetstreamManager(connection);
      await manager.streams.delete(id);
      await connection.close();
    });
    // Makes the stream, so that there is something to publish to.
    const first = await make('nats', settings, 1000).connect(() => false);
    await first.stop(AbortSignal.timeout(5000));
    const stream = jetstream(connection);
    return {
      transport: (messages) => make('nats', settings, messages),
      publish: async (sender, body) => void (await stream.publish(`conformance.${id}.${sender}`, body)),
    };
  },
};

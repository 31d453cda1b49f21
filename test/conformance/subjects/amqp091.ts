import { randomUUID } from 'node:crypto';
import { connect } from 'amqplib';
import { service } from '../../support/services.ts';
import { make, type Subject } from './subject.ts';

export const amqp091: Subject = {
  name: 'amqp091',
  needs: 'rabbitmq',
  settlesOutOfOrder: true,
  boundedByBroker: true,
  async open(t, options = {}) {
    const broker = service('rabbitmq');
    const vhost = `conformance-${randomUUID()}`;
    const url = await broker.createVhost(vhost);
    const connection = await connect(url);
    const channel = await connection.createConfirmChannel();
    t.teardown(async () => {
      await connection.close();
      await broker.deleteVhost(vhost);
    });
    const settings = { url, auth: { mode: 'subject' }, ...options };
    // Makes the queue, so that nothing is published into the void.
    const first = await make('amqp091', settings, 1).connect(() => false);
    await first.stop(AbortSignal.timeout(5000));
    return {
      transport: (messages) => make('amqp091', settings, messages),
      async publish(sender, body) {
        channel.publish('conductor', `conductor.${sender}`, body, { persistent: true });
        await channel.waitForConfirms();
      },
    };
  },
};

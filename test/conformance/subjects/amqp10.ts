import { randomUUID } from 'node:crypto';
import { dataSection, openPublisher, type Publisher } from '../../support/amqp10.ts';
import { service } from '../../support/services.ts';
import { make, type Subject } from './subject.ts';

/** RabbitMQ's AMQP 1.0 plugin. Who sent a message is proven by the user who signed in. */
export const amqp10: Subject = {
  name: 'amqp10',
  needs: 'rabbitmq',
  settlesOutOfOrder: true,
  boundedByBroker: true,
  senderProof: 'user-id',
  async open(t, options = {}) {
    const broker = service('rabbitmq');
    const vhost = `conformance-${randomUUID()}`;
    const url = await broker.createVhost(vhost);
    await broker.request('PUT', `/queues/${vhost}/conductor`, { durable: true });
    const publishers = new Map<string, Promise<Publisher>>();
    t.teardown(async () => {
      for (const publisher of publishers.values()) await (await publisher).close();
      await broker.deleteVhost(vhost);
    });
    const signIn = async (user: string) => {
      // The user guest is there. Others are the same for every test, and go with the broker.
      if (user !== 'guest') {
        await broker.request('PUT', `/users/${user}`, { password: user, tags: '' });
        const onlyWrite = { configure: '', write: '.*', read: '' };
        await broker.request('PUT', `/permissions/${vhost}/${user}`, onlyWrite);
      }
      return openPublisher({ port: broker.port, vhost, user, address: '/amq/queue/conductor' });
    };
    return {
      transport: (messages) => make('amqp10', { url, auth: { mode: 'user-id' }, ...options }, messages),
      async publish(sender, body) {
        const publisher = publishers.get(sender) ?? signIn(sender);
        publishers.set(sender, publisher);
        await (await publisher).send({ user_id: sender, body: dataSection(body) });
      },
    };
  },
};

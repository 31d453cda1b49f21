import { randomUUID } from 'node:crypto';
import test from 'ava';
import { pino } from 'pino';
import { transportKinds } from '../../src/transports/index.ts';
import { needs, service } from '../support/services.ts';
import { waitFor } from '../support/wait.ts';

needs(test, 'rabbitmq')(
  'a sender that is stopped leaves no timer that keeps the process alive',
  async (t) => {
    const rabbitmq = service('rabbitmq');
    const vhost = `end-${randomUUID()}`;
    const url = await rabbitmq.createVhost(vhost);
    t.teardown(() => rabbitmq.deleteVhost(vhost));
    await rabbitmq.request('PUT', `/queues/${vhost}/conductor`, { durable: true });
    const timers = () => process.getActiveResourcesInfo().filter((one) => one === 'Timeout').length;
    const before = timers();
    const session = await transportKinds.amqp10
      ?.configure('bus', { kind: 'amqp10', url, target: '/amq/queue/conductor' })
      .createSender({ clientName: 'test', logger: pino({ level: 'silent' }) })
      .connect(() => {});
    await session?.send({ sender: 'i-1', body: Buffer.from('{}'), messageId: 'm-1' });
    t.true(timers() > before, 'those of the heartbeat');
    await session?.stop(AbortSignal.timeout(5000));
    await waitFor(() => timers() <= before, { what: 'its timers to end' });
  },
);

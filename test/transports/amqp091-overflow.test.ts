import { randomUUID } from 'node:crypto';
import { connect } from 'amqplib';
import test from 'ava';
import { soon } from '../../src/conformance/harness.ts';
import type { Delivery } from '../../src/core/transport/contract.ts';
import { make } from '../conformance/subjects/subject.ts';
import { needs, service } from '../support/services.ts';
import { waitFor } from '../support/wait.ts';

const total = 200;
/** What has room at once, of a bound of 200: as with messages that are large. */
const room = 10;

needs(test, 'rabbitmq')(
  'amqp091: a message without room is not released so often that a delivery limit drops it',
  async (t) => {
    const vhost = `overflow-${randomUUID()}`;
    const url = await service('rabbitmq').createVhost(vhost);
    t.teardown(() => service('rabbitmq').deleteVhost(vhost));
    const transport = make('amqp091', { url, queueArguments: { 'x-queue-type': 'quorum' } }, total);
    const maker = await transport.connect(() => false);
    await maker.stop(soon());
    const connection = await connect(url);
    const channel = await connection.createConfirmChannel();
    for (let number = 0; number < total; number += 1)
      channel.publish('conductor', 'conductor.guest', Buffer.from(String(number)), { persistent: true });
    await channel.waitForConfirms();
    await connection.close();

    const refusals = new Map<string, number>();
    const held: Delivery[] = [];
    const done = new Set<string>();
    const session = await transport.connect((delivery) => {
      const text = Buffer.from(delivery.body).toString();
      if (held.length < room) return held.push(delivery) > 0;
      refusals.set(text, (refusals.get(text) ?? 0) + 1);
      return false;
    });
    t.teardown(() => session.stop(soon()));
    while (done.size < total) {
      await waitFor(() => held.length > 0, { what: 'more', interval: 5 });
      const batch = held.splice(0);
      for (const { body } of batch) done.add(Buffer.from(body).toString());
      session.settle(batch, 'done');
      session.resume();
    }
    const most = Math.max(...refusals.values());
    t.true(most <= 5, `one was refused ${most} times`);
  },
);

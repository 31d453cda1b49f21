import { randomUUID } from 'node:crypto';
import ava from 'ava';
import { pino } from 'pino';
import { arrive, soon } from '../../src/conformance/harness.ts';
import { within } from '../../src/core/deadline.ts';
import { messageOf, Undeliverable } from '../../src/core/errors.ts';
import type { Delivery } from '../../src/core/transport/contract.ts';
import { transportKinds } from '../../src/transports/index.ts';
import { make } from '../conformance/subjects/subject.ts';
import { needs, service } from '../support/services.ts';

/** Milliseconds that a broker may take for one message. */
const patience = 3000;

/**
 * What a gateway may be given as the name of one of its senders, or as an id. The client sends again what comes back with
 * NotConnected: so that may not be said of a message that is at fault itself, or it holds up all others for ever.
 */
const bad: Readonly<Record<string, { sender?: string; messageId?: string; correlationId?: string }>> = {
  'a sender of bytes that grow': { sender: 'é'.repeat(255) },
  'a sender with a control character': { sender: 'a\u0001b' },
  'a sender with a NUL': { sender: 'a\0b' },
  'a sender that is no character': { sender: 'a\ufffe' },
  'a sender that is a line long': { sender: 'x'.repeat(5000) },
  'a message id that is long': { messageId: 'x'.repeat(10_000) },
  'a correlation id that is long': { correlationId: 'x'.repeat(10_000) },
};

async function rabbitmqUrl(t: { teardown(end: () => Promise<unknown>): void }): Promise<string> {
  const vhost = `senders-${randomUUID()}`;
  const url = await service('rabbitmq').createVhost(vhost);
  t.teardown(() => service('rabbitmq').deleteVhost(vhost));
  return url;
}

const kinds = [
  { kind: 'amqp091', broker: 'rabbitmq', options: {} },
  { kind: 'amqp10', broker: 'rabbitmq', options: { target: '/exchange/conductor/conductor.{sender}' } },
  { kind: 'mqtt', broker: 'mosquitto', options: { topic: `${randomUUID()}/+`, clientId: randomUUID() } },
  { kind: 'nats', broker: 'nats', options: { stream: randomUUID(), subject: `${randomUUID()}.*` } },
] as const;

for (const { kind, broker, options } of kinds) {
  const test = needs(ava.serial, broker);
  test(`${kind}: a message at fault affects no other message of the same sender`, async (t) => {
    const url = broker === 'rabbitmq' ? await rabbitmqUrl(t) : service(broker).url;
    const deliveries: Delivery[] = [];
    // The other protocol of RabbitMQ makes exchange and queue.
    if (kind === 'amqp10') {
      const maker = await make('amqp091', { url }, 1).connect(() => false);
      await maker.stop(soon());
    }
    const consumer = await make(kind, { url, ...options }, 100).connect(
      (delivery) => deliveries.push(delivery) > 0,
    );
    const configured = transportKinds[kind]?.configure(kind, { kind, url, ...options });
    if (configured === undefined) throw new Error(`${kind} is not a kind`);
    const logger = pino({ level: 'silent' });
    const session = await configured.createSender({ clientName: 'test', logger }).connect(() => {});
    t.teardown(() => session.stop(soon()));
    t.teardown(() => consumer.stop(soon()));
    let ended = false;
    void session.closed.then(() => {
      ended = true;
    });
    for (const [what, wrong] of Object.entries(bad)) {
      const message = { sender: 'guest', messageId: randomUUID(), body: Buffer.from('{}'), ...wrong };
      try {
        await within(session.send(message), patience);
      } catch (error) {
        t.true(error instanceof Undeliverable, `${what}: ${messageOf(error)}`);
      }
      if (!t.false(ended, `${what} ended the session`)) return;
    }
    await session.send({ sender: 'guest', messageId: 'good', body: Buffer.from('{}') });
    await arrive(deliveries, 1);
    consumer.settle(deliveries, 'done');
    await consumer.drain(soon());
  });
}

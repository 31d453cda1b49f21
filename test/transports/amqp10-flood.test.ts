import { randomUUID } from 'node:crypto';
import ava from 'ava';
import fc from 'fast-check';
import { encodeMessage } from '../../src/transports/amqp10/publish.ts';
import { decodeMessage } from '../../src/transports/amqp10/read-message.ts';
import { openPublisher } from '../support/amqp10.ts';
import { needs, service } from '../support/services.ts';
import { Hostile } from './amqp10-hostile.ts';
import { startFakeBroker } from './fake-broker.ts';
import { assertFloodIsHarmless, floodSize, type GoodMessage } from './flood.ts';

const good = floodSize;
const seed = 20_261_126;
/** Messages that the publisher has under way. */
const atOnce = 500;

/** Brokers write the header anew: durable, no priority, no time to live, delivered for the first time. */
const brokersHeader = Buffer.from([0, 0x53, 0x70, 0xc0, 6, 5, 0x41, 0x40, 0x40, 0x41, 0x43]);

const test = needs(ava.serial, 'postgres');

test(`${good} good messages arrive among ${good} with sections of all kinds, repeated, missing and cut`, async (t) => {
  const broker = await startFakeBroker(t, { offeredCapabilities: 'ANONYMOUS-RELAY' });
  const hostile = new Hostile(seed, false);
  await assertFloodIsHarmless(t, {
    entry: { kind: 'amqp10', url: broker.url },
    good,
    send: async (messages) => {
      const [sender] = broker.senders;
      if (sender === undefined) throw new Error('nobody consumes');
      // Each message is made when it is sent: to make all of them at once would take this process longer than a heartbeat may.
      const all = bodiesOf(messages, hostile);
      await new Promise<void>((resolve) => {
        const fill = () => {
          while (sender.sendable()) {
            const { done, value } = all.next();
            if (done === true) return resolve();
            sender.send(value, undefined, 0);
          }
        };
        sender.on('sendable', fill);
        sender.on('settled', fill);
        fill();
      });
      return messages.length;
    },
  });
});

/** Each good message, and a hostile one behind it. */
function* bodiesOf(messages: ReadonlyArray<GoodMessage>, hostile: Hostile): Generator<Buffer, void> {
  for (const { body } of messages) {
    yield encodeMessage({ body });
    yield Buffer.concat([brokersHeader, hostile.message(body)]);
  }
}

needs(
  ava.serial,
  'postgres',
  'rabbitmq',
)(`${good} good messages arrive through RabbitMQ among ${good} with properties of all types`, async (t) => {
  const rabbitmq = service('rabbitmq');
  const vhost = `flood-${randomUUID()}`;
  const url = await rabbitmq.createVhost(vhost);
  t.teardown(() => rabbitmq.deleteVhost(vhost));
  await rabbitmq.request('PUT', `/queues/${vhost}/conductor`, { durable: true });
  const hostile = new Hostile(seed, true);
  await assertFloodIsHarmless(t, {
    entry: { kind: 'amqp10', url },
    good,
    send: async (messages) => {
      const publisher = await openPublisher({
        port: rabbitmq.port,
        vhost,
        user: vhost,
        address: '/amq/queue/conductor',
      });
      let taken = 0;
      for (let from = 0; from < messages.length; from += atOnce) {
        const part = messages.slice(from, from + atOnce);
        await Promise.all([
          ...part.map(({ body }) => publisher.send(encodeMessage({ body }))),
          ...part.map(async ({ body }) => {
            await publisher.send(hostile.message(body));
            taken += 1;
          }),
        ]);
      }
      await publisher.close();
      return taken;
    },
  });
});

ava('for any message the reader does not throw, and stays inside the message', (t) => {
  fc.assert(
    fc.property(fc.integer(), fc.boolean(), (from, onlyUsual) => {
      const message = new Hostile(from, onlyUsual).message(Buffer.from('{"a": 1}'));
      return decodeMessage(message).body.length <= message.length;
    }),
    { numRuns: 5000 },
  );
  t.pass();
});

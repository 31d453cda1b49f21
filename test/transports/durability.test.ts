import { randomUUID } from 'node:crypto';
import { StorageType } from '@nats-io/jetstream';
import { connect } from 'amqplib';
import ava, { type ExecutionContext } from 'ava';
import { soon } from '../../src/conformance/harness.ts';
import { type Survival, survivalOf } from '../../src/core/transport/durability.ts';
import { durabilityOf as ofTerminus } from '../../src/transports/amqp10/durability.ts';
import { durabilityOf as ofQueue } from '../../src/transports/amqp091/durability.ts';
import { durabilityOf as ofSession } from '../../src/transports/mqtt/durability.ts';
import { durabilityOf as ofStream } from '../../src/transports/nats/durability.ts';
import { make } from '../conformance/subjects/subject.ts';
import { needs, service } from '../support/services.ts';
import { open as openNats } from './nats-support.ts';

/** What each transport tells of a real broker. Versions that the tests do not have are told in words. */

const rabbitTest = needs(ava, 'rabbitmq');
const natsTest = needs(ava, 'nats');

/** The verdict in one line: the level, what is known of it first. */
function told(shortfalls: Parameters<typeof survivalOf>[0] | undefined): string[] {
  return (shortfalls ?? []).map(
    ({ survives, because, isUnknown }) => `${survives}${isUnknown === true ? '?' : ''}: ${because}`,
  );
}

async function openVhost(t: ExecutionContext) {
  const broker = service('rabbitmq');
  const name = `durability-${randomUUID()}`;
  const url = await broker.createVhost(name);
  t.teardown(() => broker.deleteVhost(name));
  return { broker, name, url };
}

async function durabilityAt(t: ExecutionContext, kind: string, options: Record<string, unknown>) {
  const session = await make(kind, options, 1).connect(() => false);
  t.teardown(() => session.stop(soon()));
  return session.durability;
}

for (const [what, durable, args, expected] of [
  ['that is not durable', false, {}, ['nothing: the queue conductor is not durable']],
  [
    'of type quorum',
    true,
    { 'x-queue-type': 'quorum' },
    ['power?: the broker does not tell how many nodes have the queue conductor'],
  ],
  [
    'of type classic',
    true,
    {},
    [
      'process?: the broker does not tell whether the queue conductor waits for the disk before it confirms',
      'power?: the queue conductor is classic, and lives on one node unless a policy mirrors it',
    ],
  ],
  [
    'of type classic in version 1',
    true,
    { 'x-queue-version': 1 },
    ['power?: the queue conductor is classic, and lives on one node unless a policy mirrors it'],
  ],
  [
    'of type classic in version 2',
    true,
    { 'x-queue-type': 'classic', 'x-queue-version': 2 },
    [
      'process: the queue conductor is classic, and does not wait for the disk before it confirms',
      'power?: the queue conductor is classic, and lives on one node unless a policy mirrors it',
    ],
  ],
] as const) {
  rabbitTest(`amqp091: the transport tells what a queue ${what} survives`, async (t) => {
    const { url } = await openVhost(t);
    // The replica makes the queue first; then it finds it.
    const options = { url, queueArguments: args, queueDurability: durable ? 'durable' : 'transient' };
    t.deepEqual(told(await durabilityAt(t, 'amqp091', options)), expected);
    t.deepEqual(told(await durabilityAt(t, 'amqp091', { url })), expected);
  });
}

rabbitTest('amqp091: a queue that the replica may not declare is unknown', async (t) => {
  const { broker, name, url } = await openVhost(t);
  const administrator = await connect(url);
  const channel = await administrator.createChannel();
  await channel.assertExchange('conductor', 'topic', { durable: true });
  await channel.assertQueue('conductor', { durable: true });
  await channel.bindQueue('conductor', 'conductor', 'conductor.*');
  await administrator.close();
  await broker.request('PUT', `/permissions/${encodeURIComponent(name)}/${encodeURIComponent(name)}`, {
    configure: '^$',
    write: '.*',
    read: '.*',
  });
  t.deepEqual(told(await durabilityAt(t, 'amqp091', { url })), [
    'nothing?: the broker does not tell how the queue conductor was made',
  ]);
});

rabbitTest('amqp10: RabbitMQ 3 tells nothing of its queue', async (t) => {
  const { url } = await openVhost(t);
  const administrator = await connect(url);
  await (await administrator.createChannel()).assertQueue('conductor', { durable: true });
  await administrator.close();
  t.deepEqual(told(await durabilityAt(t, 'amqp10', { url })), [
    'nothing?: RabbitMQ does not tell over AMQP 1.0 whether /amq/queue/conductor is durable',
  ]);
});

natsTest('nats: the stream that the replica makes survives the process of its server', async (t) => {
  const { consume, id } = await openNats(t);
  const { session } = await consume();
  const [disk = '', ...others] = told(session.durability);
  t.regex(disk, /^process\??: nats-server .* writes to disk every two minutes only$/);
  t.deepEqual(others, [`power: the stream ${id} has one replica`]);
});

natsTest('nats: a stream in memory survives nothing, and core NATS neither', async (t) => {
  const { consume, id, manager } = await openNats(t);
  await manager.streams.add({ name: id, subjects: [`test.${id}.*`], storage: StorageType.Memory });
  const { session } = await consume();
  t.deepEqual(told(session.durability), [`nothing: the stream ${id} is in memory`]);
  const core = await consume(100, () => true, { jetstream: false });
  t.deepEqual(told(core.session.durability), ['nothing: core NATS keeps no message']);
});

needs(ava, 'mosquitto')('mqtt: nothing is known of what a broker keeps', async (t) => {
  const clientId = `durability-${randomUUID()}`;
  const options = { url: service('mosquitto').url, clientId, topic: `${clientId}/+`, keepSession: false };
  for (const version of ['5', '3.1.1'])
    t.regex(
      told(await durabilityAt(t, 'mqtt', { ...options, version, clientId: clientId + version })).join(),
      /^nothing\?: MQTT /,
    );
});

const rabbitmq = (version: string) => {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return { product: 'RabbitMQ', major, minor };
};

for (const [version, args, survives] of [
  ['3.9', {}, 'power'],
  ['3.12', { 'x-queue-type': 'classic', 'x-queue-version': 1 }, 'power'],
  ['3.12', { 'x-queue-type': 'classic' }, 'process'],
  ['3.13', { 'x-queue-type': 'classic', 'x-queue-version': 1 }, 'process'],
  ['4.1', {}, 'process'],
  ['4.1', { 'x-queue-type': 'quorum' }, 'power'],
] as const) {
  ava(
    `amqp091: a durable queue of RabbitMQ ${version} with ${JSON.stringify(args)} survives ${survives}`,
    (t) => {
      t.is(survivalOf(ofQueue('q', { durable: true, arguments: args }, rabbitmq(version))), survives);
    },
  );
}

ava('amqp091: a durable queue of another broker survives the process', (t) => {
  const broker = { product: 'LavinMQ', major: 2, minor: 9 };
  t.deepEqual(told(ofQueue('q', { durable: true, arguments: {} }, broker)), [
    'process?: LavinMQ does not tell whether it waits for the disk before it confirms',
  ]);
});

ava('amqp10: a broker that keeps the messages of a terminus survives the process', (t) => {
  t.is(survivalOf(ofTerminus('q', 2, { product: 'qpid' })), 'process');
  for (const durable of [undefined, null, 0, 1])
    t.is(survivalOf(ofTerminus('q', durable, { product: '' })), 'nothing');
});

ava('mqtt: a broker that grants no session expiry is known to keep nothing', (t) => {
  const options = { version: '5', sessionExpiry: 86_400 } as const;
  t.regex(
    told(ofSession({ properties: { sessionExpiryInterval: 0 } }, options)).join(),
    /^nothing: .* 0 seconds/,
  );
  t.regex(told(ofSession({}, options)).join(), /^nothing\?: /);
});

for (const [version, replicas, more, survives] of [
  ['2.9.10', 3, {}, 'process'],
  ['2.10.0', 3, {}, 'process?'],
  ['2.15.3', 1, {}, 'process?'],
  ['2.15.3', 1, { persist_mode: 'async' }, 'nothing'],
] as const) {
  ava(
    `nats: a stream of ${replicas} on nats-server ${version} with ${JSON.stringify(more)} survives ${survives}`,
    (t) => {
      const config = { name: 'S', storage: StorageType.File, num_replicas: replicas, ...more };
      const [first] = ofStream(config, version);
      t.is(`${first?.survives}${first?.isUnknown === true ? '?' : ''}`, survives);
      t.is(survivalOf(ofStream(config, version)), survives.replace('?', '') as Survival);
    },
  );
}

import { randomUUID } from 'node:crypto';
import { jetstreamManager } from '@nats-io/jetstream';
import { connect as connectNats } from '@nats-io/transport-node';
import { connect } from 'amqplib';
import test, { type ExecutionContext } from 'ava';
import type { Found } from '../../src/commands/doctor-check.ts';
import { examineAll } from '../../src/commands/doctor-run.ts';
import { parseConfig } from '../../src/core/config/load.ts';
import { transportKinds } from '../../src/transports/index.ts';
import { configurationOf } from '../support/conductor.ts';
import { password, secureMosquitto, stopSecureBrokers, tlsOf, user } from '../support/secure-brokers.ts';
import { needs, service } from '../support/services.ts';

/** Broken brokers, and the cause that `conductor doctor` names. */

test.after.always(() => stopSecureBrokers());

/** What doctor finds about the transport `edge`. Its database is away. */
async function examine(edge: Readonly<Record<string, unknown>>): Promise<Found[]> {
  const database = 'postgres://conductor@127.0.0.1:1/conductor';
  const text = configurationOf({ database, transports: { edge } });
  const found = await examineAll(parseConfig(text, 'test', {}, transportKinds));
  return found.filter(({ subject }) => subject === 'transports.edge');
}

interface Expected {
  readonly check: string;
  readonly level: 'wrong' | 'warning';
  readonly code: string;
  readonly text: RegExp;
}

async function names(t: ExecutionContext, edge: Readonly<Record<string, unknown>>, expected: Expected) {
  const found = await examine(edge);
  const named = found.find(
    ({ check, code, text }) => check === expected.check && code === expected.code && expected.text.test(text),
  );
  t.is(named?.level, expected.level, JSON.stringify(found, null, 1));
}

/** A virtual host of the test's own, and a channel in it. */
async function rabbit(t: ExecutionContext) {
  const { createVhost, deleteVhost } = service('rabbitmq');
  const vhost = `doctor-${randomUUID()}`;
  const url = await createVhost(vhost);
  const connection = await connect(url);
  t.teardown(async () => {
    await connection.close();
    await deleteVhost(vhost);
  });
  return { vhost, url, connection, channel: await connection.createChannel() };
}

const onRabbit = needs(test, 'rabbitmq');
const wrong = { check: 'sign in', level: 'wrong' } as const;
const unsafe = { check: 'settings', level: 'warning', code: 'broker-settings' } as const;
const missing = { check: 'topology', level: 'warning', code: 'broker-topology' } as const;

test('doctor names a broker that is away', (t) =>
  names(
    t,
    { kind: 'amqp091', url: 'amqp://127.0.0.1:1' },
    { ...wrong, code: 'not-connected', text: /ECONNREFUSED/ },
  ));

onRabbit('doctor names a wrong password', (t) =>
  names(
    t,
    { kind: 'amqp091', url: `amqp://guest:wrong@127.0.0.1:${service('rabbitmq').port}` },
    { ...wrong, code: 'broker-sign-in', text: /ACCESS.REFUSED/ },
  ),
);

onRabbit('doctor names a virtual host that is not there', (t) =>
  names(
    t,
    { kind: 'amqp091', url: `amqp://guest:guest@127.0.0.1:${service('rabbitmq').port}/nowhere` },
    { ...wrong, code: 'broker-refuses', text: /virtual host.*nowhere/ },
  ),
);

onRabbit('doctor names a port where another protocol is spoken', (t) =>
  names(
    t,
    { kind: 'amqp091', url: `amqp://127.0.0.1:${service('rabbitmq').managementPort}` },
    { ...wrong, code: 'not-connected', text: /does not speak AMQP 0-9-1/ },
  ),
);

onRabbit('doctor names a queue that is a stream', async (t) => {
  const { url, channel } = await rabbit(t);
  await channel.assertQueue('stream', { durable: true, arguments: { 'x-queue-type': 'stream' } });
  const expected = { ...wrong, code: 'broker-topology', text: /stream is a stream/ };
  await names(t, { kind: 'amqp091', url, queue: 'stream' }, expected);
});

onRabbit('doctor names an exchange of another type', async (t) => {
  const { url, channel } = await rabbit(t);
  await channel.assertExchange('fan', 'fanout');
  const expected = { ...wrong, code: 'broker-topology', text: /fan is of type fanout, not topic/ };
  await names(t, { kind: 'amqp091', url, exchange: 'fan' }, expected);
});

onRabbit('doctor names a queue that drops messages', async (t) => {
  const { url, channel } = await rabbit(t);
  await channel.assertQueue('short', { durable: true, arguments: { 'x-message-ttl': 1000 } });
  const expected = { ...unsafe, text: /the queue can lose messages: .*x-message-ttl/ };
  await names(t, { kind: 'amqp091', url, queue: 'short' }, expected);
});

onRabbit('doctor names what is missing, makes none of it, and leaves messages as they are', async (t) => {
  const { url, channel } = await rabbit(t);
  const edge = { kind: 'amqp091', url, queue: 'orders', exchange: 'events' };
  const expected = { ...missing, text: /exchange events, queue orders/ };
  await names(t, edge, expected);
  await names(t, edge, expected);
  await channel.assertQueue('orders', { durable: true });
  channel.sendToQueue('orders', Buffer.from('x'));
  const found = await examine(edge);
  t.regex(
    found.find(({ check }) => check === 'topology')?.text ?? '',
    /at the start if the user may: exchange events$/,
  );
  const message = await channel.get('orders', { noAck: true });
  t.is(message !== false && message.fields.redelivered, false);
});

onRabbit('doctor names a queue that AMQP 1.0 does not find, and one that it may read is fine', async (t) => {
  const { url, channel, vhost } = await rabbit(t);
  const parsed = new URL(url);
  const edge = {
    kind: 'amqp10',
    url: `amqp://${parsed.host}`,
    virtualHost: vhost,
    user: parsed.username,
    password: decodeURIComponent(parsed.password),
    address: 'orders',
  };
  const before = await examine(edge);
  t.is(before.find(({ level }) => level === 'wrong')?.check, 'sign in', JSON.stringify(before));
  t.regex(before[0]?.text ?? '', /orders/);
  await channel.assertQueue('orders', { durable: true });
  channel.sendToQueue('orders', Buffer.from('x'));
  const found = await examine(edge);
  t.deepEqual(
    found.filter(({ level }) => level === 'wrong'),
    [],
  );
  const message = await channel.get('orders', { noAck: true });
  t.is(message !== false && message.fields.redelivered, false);
});

/** A name of the test's own, and what makes streams. */
async function stream(t: ExecutionContext) {
  const connection = await connectNats({ port: service('nats').port });
  const manager = await jetstreamManager(connection);
  const name = `doctor-${randomUUID()}`;
  t.teardown(async () => {
    await manager.streams.delete(name).catch(() => {});
    await connection.close();
  });
  const edge = {
    kind: 'nats',
    url: `nats://127.0.0.1:${service('nats').port}`,
    stream: name,
    subject: `${name}.*`,
    consumer: 'orders',
  };
  return { manager, name, edge };
}

const onNats = needs(test, 'nats');

onNats('doctor names a stream that does not keep the subject', async (t) => {
  const { manager, name, edge } = await stream(t);
  await manager.streams.add({ name, subjects: [`${name}-other.*`] });
  await names(t, edge, { ...wrong, code: 'broker-topology', text: /does not keep/ });
});

onNats('doctor names a push consumer', async (t) => {
  const { manager, name, edge } = await stream(t);
  await manager.streams.add({ name, subjects: [`${name}.*`] });
  await manager.consumers.add(name, {
    durable_name: 'orders',
    deliver_subject: `${name}-push`,
    ack_policy: 'explicit',
  });
  await names(t, edge, { ...wrong, code: 'broker-topology', text: /is a push consumer/ });
});

onNats('doctor names a missing stream, and makes none', async (t) => {
  const { manager, name, edge } = await stream(t);
  const expected = { ...missing, text: /stream .*, consumer orders/ };
  await names(t, edge, expected);
  await t.throwsAsync(manager.streams.info(name));
});

onNats('doctor names NATS without JetStream', async (t) => {
  const { edge } = await stream(t);
  const expected = { ...unsafe, text: /AT MOST ONCE/ };
  await names(t, { kind: 'nats', url: edge.url, subject: edge.subject, jetstream: false }, expected);
});

needs(test, 'nats')('doctor names a port where MQTT is not spoken', (t) =>
  names(
    t,
    { kind: 'mqtt', url: `mqtt://127.0.0.1:${service('nats').port}`, connectTimeout: 2000, topic: 'a/+' },
    { ...wrong, code: 'not-connected', text: /does url name a port where MQTT is spoken/ },
  ),
);

const onMosquitto = needs(test, 'mosquitto');

onMosquitto('doctor names a certificate that is not trusted', async (t) => {
  const { tlsPort, certificates } = await secureMosquitto();
  const edge = { kind: 'mqtt', url: `mqtts://localhost:${tlsPort}`, topic: 'a/+' };
  const text = /tls\.ca: the broker's certificate is not signed by/;
  await names(t, { ...edge, tls: { ca: certificates.stranger } }, { ...wrong, code: 'broker-tls', text });
});

onMosquitto(
  'doctor names a client certificate that is missing, and finds nothing wrong with the right one',
  async (t) => {
    const { tlsPort, certificates } = await secureMosquitto();
    const edge = {
      kind: 'mqtt',
      url: `mqtts://localhost:${tlsPort}`,
      topic: 'a/+',
      user,
      password,
      tls: tlsOf(certificates.ca),
    };
    await names(t, edge, { ...wrong, code: 'broker-tls', text: /set tls\.cert and tls\.key/ });
    const found = await examine({ ...edge, tls: tlsOf(certificates.ca, certificates.client) });
    t.deepEqual(
      found.filter(({ level }) => level === 'wrong'),
      [],
      JSON.stringify(found),
    );
    const texts = found.filter(({ check }) => check === 'certificate').map(({ text }) => text);
    t.is(texts.length, 2, JSON.stringify(found));
    t.regex(texts[0] ?? '', /localhost:\d+ (is valid for|expires in) \d+ days/);
  },
);

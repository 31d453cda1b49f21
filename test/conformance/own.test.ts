import { randomUUID } from 'node:crypto';
import { copyFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { connect } from 'amqplib';
import ava, { type ExecutionContext } from 'ava';
import { pino } from 'pino';
import {
  arrive,
  consume,
  expectOnly,
  finish,
  numbered,
  publish,
  soon,
} from '../../src/conformance/harness.ts';
import { ConfigError } from '../../src/core/errors.ts';
import type { Transport } from '../../src/core/transport/contract.ts';
import { lossesOf } from '../../src/transports/amqp091/losses.ts';
import { transportKinds } from '../../src/transports/index.ts';
import { copyOf } from '../support/certificates.ts';
import { startMosquitto } from '../support/mosquitto.ts';
import { password, secureMosquitto, stopSecureBrokers, tlsOf, user } from '../support/secure-brokers.ts';
import { needs, service } from '../support/services.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { mqttSubject } from './subjects/mqtt.ts';
import { make } from './subjects/subject.ts';

/** What one protocol has of its own, and what its broker says of itself. */

const test = ava.serial;
const rabbitTest = needs(test, 'rabbitmq');
const mosquittoTest = needs(test, 'mosquitto');

ava.after.always(stopSecureBrokers);

function refused(t: ExecutionContext, transport: Transport): Promise<ConfigError | undefined> {
  return t.throwsAsync(
    transport.connect(() => true),
    { instanceOf: ConfigError },
  );
}

/** Connects, stops again, and returns the warnings that were logged in between. */
async function warningsOf(kind: string, options: object, messages = 100): Promise<Record<string, unknown>[]> {
  const lines: Record<string, unknown>[] = [];
  const write = (line: string) => void lines.push(JSON.parse(line));
  const transport = transportKinds[kind]?.configure(kind, { kind, ...options }).create({
    share: { messages, bytes: 2 ** 24 },
    replica: randomUUID(),
    logger: pino({ level: 'warn' }, { write }),
  });
  const session = await transport?.connect(() => true);
  await session?.stop(soon());
  return lines;
}

for (const version of ['5', '3.1.1'] as const) {
  mosquittoTest(
    `mqtt ${version}: a session that is kept gets what was published while nobody was there`,
    async (t) => {
      const opened = await mqttSubject(version).open(t, { keepSession: true });
      const { session } = await consume(opened);
      await session.drain(soon());
      await session.stop(soon());
      await publish(opened, 3);
      await expectOnly(opened, numbered(3));
      t.pass();
    },
  );

  mosquittoTest(`mqtt ${version}: messages arrive over WebSockets with TLS`, async (t) => {
    const { webSocketPort, certificates } = await secureMosquitto();
    const url = `wss://127.0.0.1:${webSocketPort}`;
    const tls = tlsOf(certificates.ca, certificates.client);
    const name = `websockets/${randomUUID()}`;
    const options = { url, version, user, password, tls, topic: name, shared: false, clientId: randomUUID() };
    const transport = make('mqtt', options, 10);
    const consumer = await consume({ transport: () => transport });
    await consumer.session.publish({ to: { kind: 'topic', name }, body: Buffer.from('x') });
    await arrive(consumer.deliveries, 1);
    t.is(Buffer.from(consumer.deliveries[0]?.body ?? []).toString(), 'x');
    await finish(consumer);
  });
}

mosquittoTest('a certificate that is replaced counts from the next connection on', async (t) => {
  const { certificates, tlsPort } = await secureMosquitto();
  const { ca, client, impostor } = certificates;
  const files = copyOf(impostor);
  const url = `mqtts://127.0.0.1:${tlsPort}`;
  const transport = make('mqtt', { url, user, password, tls: tlsOf(ca, files), clientId: randomUUID() }, 1);
  await refused(t, transport);
  copyFileSync(client.cert, files.cert);
  copyFileSync(client.key, files.key);
  const session = await transport.connect(() => true);
  await session.stop(soon());
  t.is(await session.closed, undefined);
});

mosquittoTest(
  'a broker that is called by an address may have it as the name that its certificate needs',
  async (t) => {
    const { certificates, tlsPort } = await secureMosquitto();
    const { ca, client } = certificates;
    const named = (serverName: string) =>
      make(
        'mqtt',
        {
          url: `mqtts://localhost:${tlsPort}`,
          user,
          password,
          tls: { ...tlsOf(ca, client), serverName },
          clientId: randomUUID(),
        },
        1,
      );
    const session = await named('127.0.0.1').connect(() => true);
    await session.stop(soon());
    const error = await refused(t, named('127.0.0.2'));
    t.regex(error?.message ?? '', /^tls\.serverName: .*127\.0\.0\.2/);
  },
);

mosquittoTest('without verification any certificate will do', async (t) => {
  const { certificates, tlsPort } = await secureMosquitto();
  const tls = { ...tlsOf(certificates.stranger, certificates.client), verify: false };
  const options = { url: `mqtts://127.0.0.1:${tlsPort}`, user, password, tls, clientId: randomUUID() };
  const session = await make('mqtt', options, 1).connect(() => true);
  await session.stop(soon());
  t.is(await session.closed, undefined);
});

rabbitTest('amqp091: a password from a file goes before the one in the URL, and is not quoted', async (t) => {
  const file = join(temporaryDirectory('password'), 'password');
  writeFileSync(file, 'guest\n');
  const url = service('rabbitmq').url.replace('guest:guest', 'guest:wrong-password');
  const session = await make('amqp091', { url, passwordFile: file, queue: randomUUID() }, 1).connect(
    () => true,
  );
  await session.stop(soon());
  const error = await refused(t, make('amqp091', { url }, 1));
  t.regex(error?.message ?? '', /ACCESS.REFUSED/);
  t.false(error?.message.includes('wrong-password'));
});

rabbitTest('amqp091: a sender is proven by the user-id that the broker has validated', async (t) => {
  const broker = service('rabbitmq');
  const vhost = `user-id-${randomUUID()}`;
  const url = await broker.createVhost(vhost);
  t.teardown(() => broker.deleteVhost(vhost));
  const transport = make('amqp091', { url, auth: { mode: 'user-id' } }, 10);
  const consumer = await consume({ transport: () => transport });
  const connection = await connect(url);
  t.teardown(() => connection.close());
  const channel = await connection.createConfirmChannel();
  for (const properties of [{ userId: vhost }, {}])
    channel.publish('conductor', 'conductor.somebody', Buffer.from('x'), properties);
  await channel.waitForConfirms();
  await arrive(consumer.deliveries, 2);
  t.deepEqual(
    consumer.deliveries.map(({ meta }) => [meta.sender, meta.senderProof]),
    [
      [vhost, 'user-id'],
      [undefined, 'user-id'],
    ],
  );
  await finish(consumer);
});

rabbitTest(
  'amqp091: a queue that loses messages is warned of, whatever else differs from the configuration',
  async (t) => {
    const broker = service('rabbitmq');
    const vhost = `losses-${randomUUID()}`;
    const url = await broker.createVhost(vhost);
    const connection = await connect(url);
    t.teardown(async () => {
      await connection.close();
      await broker.deleteVhost(vhost);
    });
    const channel = await connection.createChannel();
    t.deepEqual(await warningsOf('amqp091', { url, queue: 'good' }), []);
    const bad = { 'x-max-length': 10, 'x-message-ttl': 60_000, 'x-queue-mode': 'lazy' };
    await channel.assertQueue('bad', { durable: false, arguments: bad });
    const warnings = await warningsOf('amqp091', { url, queue: 'bad' });
    t.deepEqual(
      warnings.map(({ msg }) => msg),
      lossesOf(bad, 3).map((loss) => `the queue can lose messages: ${loss}`),
    );
    t.deepEqual(warnings[0]?.arguments, bad);
    const limited = { 'x-queue-type': 'quorum', 'x-delivery-limit': 3 };
    await channel.assertQueue('limited', { arguments: limited });
    t.regex(String((await warningsOf('amqp091', { url, queue: 'limited' }))[0]?.msg), /delivery limit/);
  },
);

test('what a queue can lose is known by its arguments and the version of RabbitMQ', (t) => {
  t.deepEqual(lossesOf({}, 4), []);
  t.deepEqual(lossesOf({ 'x-max-length': 1, 'x-overflow': 'reject-publish' }, 3), []);
  t.deepEqual(lossesOf({ 'x-queue-type': 'quorum' }, 3), []);
  t.is(lossesOf({ 'x-queue-type': 'quorum' }, 4).length, 1);
  t.deepEqual(lossesOf({ 'x-queue-type': 'quorum', 'x-delivery-limit': -1 }, 4), []);
  t.deepEqual(lossesOf({ 'x-queue-type': 'quorum', 'x-dead-letter-exchange': 'dead' }, 4), []);
  t.is(lossesOf({ 'x-max-length-bytes': 1, 'x-expires': 1 }, 3).length, 2);
});

mosquittoTest('mqtt 5: a broker whose bound is below ours is warned of', async (t) => {
  const { url } = await ownMosquitto(t, { maxInflightMessages: 20 });
  const [warning] = await warningsOf('mqtt', { url });
  t.like(warning, { receiveMaximum: 20, bound: 100 });
  t.deepEqual(await warningsOf('mqtt', { url }, 20), []);
});

mosquittoTest('mqtt 5: a broker that takes QoS 0 only is a configuration error', async (t) => {
  const { url } = await ownMosquitto(t, { settings: ['max_qos 0'] });
  const error = await refused(t, make('mqtt', { url }, 1));
  t.regex(error?.message ?? '', /^url: the broker takes messages at QoS 0 only/);
});

async function ownMosquitto(t: ExecutionContext, options: Parameters<typeof startMosquitto>[0]) {
  const broker = await startMosquitto(options);
  t.teardown(broker.stop);
  return broker;
}

import { once } from 'node:events';
import { createServer, type Server } from 'node:net';
import test from 'ava';
import { pino } from 'pino';
import { arrive, soon } from '../../src/conformance/harness.ts';
import { validate } from '../../src/core/config/validate.ts';
import { within } from '../../src/core/deadline.ts';
import { ConfigError, NotConnected } from '../../src/core/errors.ts';
import type { Delivery } from '../../src/core/transport/contract.ts';
import { probe, warnOfPassingName } from '../../src/transports/mqtt/losses.ts';
import { mqttSchema } from '../../src/transports/mqtt/options.ts';
import { make } from '../conformance/subjects/subject.ts';
import { waitFor } from '../support/wait.ts';
import { publishPacket, startFakeMqttBroker } from './fake-mqtt-broker.ts';

/** Brokers that do what no broker should, names that a replica cannot have, and features that a broker says it lacks. */

const isPatient = 5000;

test('mqtt 5: at most as many publishes as the broker allows are under way, and the rest follows', async (t) => {
  const bound = 10;
  const underWay: (() => void)[] = [];
  let greatest = 0;
  let count = 0;
  const broker = await startFakeMqttBroker(t, {
    properties: [0x21, 0, bound],
    onPublish: (_packetId, acknowledge) => {
      count += 1;
      underWay.push(acknowledge);
      greatest = Math.max(greatest, underWay.length);
    },
  });
  const session = await make('mqtt', { url: broker.url }, 10).connect(() => true);
  const publish = () =>
    session.publish({ to: { kind: 'topic', name: 'notifications' }, body: Buffer.from('{}') });
  const all = Promise.all(Array.from({ length: 100 }, publish));
  await waitFor(() => underWay.length === bound, { what: 'the first of them to come' });
  // One more would have come on the same connection before the answer to this.
  for (let acknowledged = 0; acknowledged < 100; acknowledged += 1) {
    await waitFor(() => underWay.length > 0, { what: 'the next one' });
    underWay.shift()?.();
  }
  await within(all, isPatient);
  t.deepEqual([greatest, count], [bound, 100]);

  const late = t.throwsAsync(Promise.all(Array.from({ length: bound + 5 }, publish)), {
    instanceOf: NotConnected,
  });
  await waitFor(() => underWay.length === bound, { what: 'the last of them to come' });
  const waiting = t.throwsAsync(publish(), { instanceOf: NotConnected });
  broker.socket().destroy();
  await within(Promise.all([late, waiting, session.closed]), isPatient);
});

test('mqtt: bytes that are not a packet end the session at once, with any bytes behind them', async (t) => {
  const broker = await startFakeMqttBroker(t);
  const deliveries: Delivery[] = [];
  const session = await make('mqtt', { url: broker.url }, 10).connect(
    (delivery) => deliveries.push(delivery) > 0,
  );
  broker.socket().write(publishPacket(1, 'conductor/a', 'before'));
  await arrive(deliveries, 1);
  // A PUBLISH of QoS 3.
  broker
    .socket()
    .write(Buffer.concat([Buffer.from([0x36, 2, 0, 0]), publishPacket(2, 'conductor/a', 'behind')]));
  const error = await within(session.closed, isPatient);
  t.true(error instanceof NotConnected);
  t.regex(error?.message ?? '', /QoS/);
  t.is(deliveries.length, 1);
});

test('mqtt: an exception while a message is taken ends the session with its reason', async (t) => {
  const broker = await startFakeMqttBroker(t);
  const session = await make('mqtt', { url: broker.url }, 10).connect(() => {
    throw new Error('no room for thought');
  });
  broker.socket().write(publishPacket(1, 'conductor/a', 'x'));
  const error = await within(session.closed, isPatient);
  t.is(error?.message, 'a message could not be taken: no room for thought');
  await session.stop(soon());
});

for (const [what, banner] of [
  ['NATS', 'INFO {"server_id":"x","version":"2.9.10"}\r\n'],
  ['AMQP', 'AMQP\0\0\x09\x01'],
  ['HTTP', 'HTTP/1.1 400 Bad Request\r\n\r\n'],
  ['a TLS listener', '\x15\x03\x01\x00\x02\x02\x46'],
  ['nothing', ''],
] as const) {
  test(`mqtt: the error for a port that speaks ${what} is one line that says what to check`, async (t) => {
    const server = createServer((socket) => {
      socket.on('error', () => {});
      socket.once('data', () => socket.end(Buffer.from(banner, 'latin1')));
    });
    t.teardown(() => void server.close());
    const error = await t.throwsAsync(
      make('mqtt', { url: `mqtt://127.0.0.1:${await portOf(server)}` }, 1).connect(() => true),
      { instanceOf: NotConnected },
    );
    t.regex(error?.message ?? '', /does url name a port where MQTT is spoken/);
  });
}

for (const [name, warns] of [
  ['conductor-7d9f8b6c5-x2x4k', true],
  ['conductor-q8zvp', true],
  ['4f1a2b3c4d5e', true],
  ['conductor-0', false],
  ['conductor-west-1', false],
  ['edge-north', false],
  ['mq.example.org', false],
] as const) {
  test(`mqtt: a replica named ${name} ${warns ? 'gets a warning that its name may change' : 'gets no warning'}`, (t) => {
    const lines: string[] = [];
    const logger = pino({ level: 'warn' }, { write: (line) => void lines.push(line) });
    warnOfPassingName(name, { clientId: '', sessionExpiry: 60 }, logger);
    t.is(lines.length, warns ? 1 : 0);
    if (warns) t.regex(lines.join(), /"code":"passing-name".*Set replica to a name that lasts/);
  });
}

async function portOf(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('it does not listen');
  return address.port;
}

/** What a broker says of itself as it accepts a connection. */
const saying = (properties: object) => ({ cmd: 'connack', sessionPresent: false, properties }) as const;
const mqttOptions = () => validate(mqttSchema, { url: 'mqtt://mq' });

for (const [what, properties, says] of [
  [
    'shared subscriptions',
    { sharedSubscriptionAvailable: false },
    /^shared: .*set shared: false and run one replica$/,
  ],
  ['wildcards', { wildcardSubscriptionAvailable: false }, /^topic: the broker takes no wildcards/],
] as const) {
  test(`mqtt 5: a broker that says it has no ${what} is a configuration error`, (t) => {
    const error = t.throws(() => probe(saying(properties), mqttOptions(), 1, pino({ level: 'silent' })), {
      instanceOf: ConfigError,
    });
    t.regex(error?.message ?? '', says);
  });
}

test('mqtt 5: a broker that keeps sessions for less time than asked is warned of', (t) => {
  const lines: string[] = [];
  const logger = pino({ level: 'warn' }, { write: (line) => void lines.push(line) });
  probe(saying({ sessionExpiryInterval: 60 }), mqttOptions(), 1, logger);
  t.is(lines.length, 1);
  probe(saying({ sessionExpiryInterval: 86_400 }), mqttOptions(), 1, logger);
  probe(saying({}), mqttOptions(), 1, logger);
  t.is(lines.length, 1);
});

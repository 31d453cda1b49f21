import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { type Channel, connect } from 'amqplib';
import test, { type ExecutionContext, type ThrowsExpectation } from 'ava';
import { soon } from '../../src/conformance/harness.ts';
import { ConfigError, NotConnected } from '../../src/core/errors.ts';
import { make } from '../conformance/subjects/subject.ts';
import { frame, short, table } from '../support/amqp091-bytes.ts';
import { freePort } from '../support/ports.ts';
import { needs, service } from '../support/services.ts';

const rabbitTest = needs(test, 'rabbitmq');

/** A virtual host of the test's own, and what its administrator does there. */
async function open(t: ExecutionContext) {
  const broker = service('rabbitmq');
  const name = `start-${randomUUID()}`;
  const url = await broker.createVhost(name);
  t.teardown(() => broker.deleteVhost(name));
  const administer = async (act: (channel: Channel) => Promise<unknown>) => {
    const connection = await connect(url);
    await act(await connection.createChannel());
    await connection.close();
  };
  const start = async (options: Record<string, unknown> = {}) => {
    const session = await make('amqp091', { url, ...options }, 1).connect(() => false);
    await session.stop(soon());
  };
  return { broker, name, url, administer, start };
}

rabbitTest('amqp091: a queue of type stream is refused, and the error names it and the remedy', async (t) => {
  const { administer, start } = await open(t);
  await administer((channel) =>
    channel.assertQueue('conductor', { durable: true, arguments: { 'x-queue-type': 'stream' } }),
  );
  const refusal = { instanceOf: ConfigError, message: /^queue: conductor is a stream.* x-queue-type/ };
  await t.throwsAsync(start(), refusal);
  await t.throwsAsync(start({ queueDurability: 'transient' }), refusal);
  await t.throwsAsync(start({ queueArguments: { 'x-queue-type': 'quorum' } }), refusal);
  const ofQuorum = { 'x-queue-type': 'quorum', 'x-delivery-limit': 3 };
  await t.throwsAsync(start({ queueArguments: ofQuorum }), refusal);
  await t.throwsAsync(start({ queue: 'other', queueArguments: { 'x-queue-type': 'stream' } }), {
    instanceOf: ConfigError,
    message: /^queueArguments: .*stream/,
  });
});

rabbitTest(
  'amqp091: an exchange of another type is refused, and the error names it, its type and the remedy',
  async (t) => {
    const { administer, start } = await open(t);
    for (const type of ['direct', 'fanout', 'headers']) {
      const exchange = `of-type-${type}`;
      for (const durable of [true, false]) {
        await administer((channel) => channel.assertExchange(exchange, type, { durable }));
        await t.throwsAsync(start({ exchange }), {
          instanceOf: ConfigError,
          message: new RegExp(`^exchange: ${exchange} is of type ${type}, not topic.*delete it`),
        });
        await administer((channel) => channel.deleteExchange(exchange));
      }
    }
  },
);

rabbitTest('amqp091: an exchange of type direct is accepted for a key without wildcards', async (t) => {
  const { administer, start } = await open(t);
  await administer((channel) => channel.assertExchange('named', 'direct', { durable: true }));
  await t.notThrowsAsync(start({ exchange: 'named', routingKey: 'conductor' }));
});

rabbitTest(
  'amqp091: a topic exchange with any arguments is accepted, even without the right to create one',
  async (t) => {
    const { administer, broker, name, start } = await open(t);
    await administer(async (channel) => {
      await channel.assertExchange('conductor', 'topic', {
        durable: false,
        autoDelete: true,
        internal: true,
      });
      await channel.assertQueue('conductor', { durable: true });
      await channel.bindQueue('conductor', 'conductor', 'conductor.*');
    });
    await t.notThrowsAsync(start());
    await broker.request('PUT', `/permissions/${name}/${name}`, { configure: '', write: '.*', read: '.*' });
    await t.notThrowsAsync(start());
  },
);

rabbitTest(
  "amqp091: a limit on connections is tried again, and the log has the broker's words",
  async (t) => {
    const { broker, name, start } = await open(t);
    await t.notThrowsAsync(start());
    for (const [path, words] of [
      [`/vhost-limits/${name}/max-connections`, /connection limit \(0\) is reached/],
      [`/user-limits/${name}/max-connections`, /user connection limit \(0\) is reached/],
    ] as const) {
      await broker.request('PUT', path, { value: 0 });
      await t.throwsAsync(start(), { instanceOf: NotConnected, message: words });
      await broker.request('DELETE', path);
      await t.notThrowsAsync(start());
    }
  },
);

rabbitTest(
  "amqp091: a virtual host that is missing or forbidden is refused with the broker's words",
  async (t) => {
    const { broker, name, url, start } = await open(t);
    const nowhere = url.replace(/[^/]*$/, 'nowhere');
    await t.throwsAsync(start({ url: nowhere }), {
      instanceOf: ConfigError,
      message: /virtual host in url, nowhere: .* vhost nowhere not found/,
    });
    await broker.request('DELETE', `/permissions/${name}/${name}`);
    await t.throwsAsync(start(), {
      instanceOf: ConfigError,
      message: /virtual host in url, start-.* refused/,
    });
  },
);

const connection = (id: number, ...fields: Buffer[]) =>
  frame(1, 0, Buffer.concat([Buffer.of(0, 10, 0, id), ...fields]));
const long = (text: string) => table(Buffer.from(text));

/** A broker as far as connection.open, which it answers with a refusal. */
function refusingWith(code: number, text: string): (socket: Socket) => void {
  const number = Buffer.alloc(2);
  number.writeUInt16BE(code);
  return (socket) => {
    const answers = [
      connection(30, Buffer.of(0, 0, 0, 2, 0, 0, 0, 0)),
      connection(50, number, short(text), Buffer.of(0, 0, 0, 0)),
    ];
    // In two pieces, as a network may cut it.
    const start = connection(10, Buffer.of(0, 9), long(''), long('PLAIN'), long('en_US'));
    socket.write(start.subarray(0, 9));
    socket.write(start.subarray(9));
    socket.on('data', () => socket.write(answers.shift() ?? ''));
  };
}

for (const [what, code, text] of [
  ['a virtual host that is down', 541, "INTERNAL_ERROR - access to vhost '/' refused: vhost '/' is down"],
  ['a bound of the node', 530, 'NOT_ALLOWED - connection refused: node connection limit (9) is reached'],
  ['a refusal of another kind', 506, 'RESOURCE_ERROR - out of everything'],
] as const) {
  test(`amqp091: ${what} is tried again, and the log has the broker's words`, async (t) => {
    const url = await foreignServer(t, refusingWith(code, text));
    await refuses(t, url, {
      instanceOf: NotConnected,
      message: `the broker refuses the connection to virtual host /: ${text}`,
    });
  });
}

/** Asserts that a connection to this URL is refused so. */
async function refuses(t: ExecutionContext, url: string, expected: ThrowsExpectation<Error>) {
  const transport = make('amqp091', { url }, 1);
  await t.throwsAsync(
    transport.connect(() => false),
    expected,
  );
}

/** A server of another protocol, which answers whatever it is sent first. */
async function foreignServer(t: ExecutionContext, answer: (socket: Socket) => void): Promise<string> {
  const server = createServer((socket) => {
    socket.on('error', () => {});
    socket.once('data', () => answer(socket));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => server.close());
  const address: AddressInfo | string | null = server.address();
  if (address === null || typeof address === 'string') throw new Error('it does not listen');
  return `amqp://127.0.0.1:${address.port}`;
}

for (const [what, said] of Object.entries({
  NATS: 'INFO {"server_id":"x","version":"2.9.10"}\r\n',
  HTTP: 'HTTP/1.1 400 Bad Request\r\n\r\n',
  'AMQP 1.0 only': 'AMQP\u0000\u0001\u0000\u0000',
  'a few bytes': 'x',
  'MQTT, version 5': '\u00e0\u0001\u0081',
})) {
  test(`amqp091: a port that speaks ${what} is refused in one line`, async (t) => {
    const url = await foreignServer(t, (socket) => void socket.end(Buffer.from(said, 'latin1')));
    await refuses(t, url, {
      instanceOf: ConfigError,
      message: /^url: 127\.0\.0\.1:\d+ does not speak AMQP 0-9-1: check the port/,
    });
  });
}

test('amqp091: a port that speaks TLS is refused in one line', async (t) => {
  const alert = Buffer.from([0x15, 3, 1, 0, 2, 2, 70]);
  const url = await foreignServer(t, (socket) => void socket.end(alert));
  await refuses(t, url, {
    instanceOf: ConfigError,
    message: /^url: 127\.0\.0\.1:\d+ speaks TLS at this port: write amqps:/,
  });
});

for (const [how, leave] of [
  ['closes', (socket: Socket) => void socket.end()],
  ['resets', (socket: Socket) => void socket.resetAndDestroy()],
] as const) {
  test(`amqp091: a server that ${how} the connection without a word may be a broker that starts`, async (t) => {
    const url = await foreignServer(t, leave);
    await refuses(t, url, {
      instanceOf: NotConnected,
      message: /^127\.0\.0\.1:\d+ ends the connection without a word: .*check the port in url/,
    });
  });
}

needs(test, 'mosquitto')('amqp091: the port of an MQTT broker is recognized and refused', async (t) => {
  const url = service('mosquitto').url.replace(/^mqtt:/, 'amqp:');
  await refuses(t, url, {
    message: /does not speak AMQP 0-9-1: check the port/,
  });
});

rabbitTest('amqp091: no answer goes to the queue that calls are consumed from', async (t) => {
  const { administer, url } = await open(t);
  const transport = make('amqp091', { url }, 1);
  const session = await transport.connect(() => false);
  const body = Buffer.from('{}');
  await t.throwsAsync(session.publish({ to: { kind: 'reply', name: 'conductor' }, body }), {
    message: /conductor.*the queue that calls are taken from/,
  });
  await t.notThrowsAsync(session.publish({ to: { kind: 'reply', name: 'elsewhere' }, body }));
  await session.stop(soon());
  await administer(async (channel) => t.is(await channel.get('conductor'), false));
});

rabbitTest('amqp091: the second of two brokers is used while the first is away', async (t) => {
  const { url, start } = await open(t);
  const { username, password, pathname, host } = new URL(url);
  const away = `amqp://${username}:${password}@127.0.0.1:${await freePort()}${pathname}?heartbeat=3`;
  await t.notThrowsAsync(start({ url: `${away}, amqp://${host}` }));
});

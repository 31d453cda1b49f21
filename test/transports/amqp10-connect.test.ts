import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import test, { type ExecutionContext } from 'ava';
import { pino } from 'pino';
import { transportKinds } from '../../src/transports/index.ts';
import { make } from '../conformance/subjects/subject.ts';
import { makeCertificates } from '../support/certificates.ts';
import { freePort } from '../support/ports.ts';
import { startFakeBroker } from './fake-broker.ts';

/** Attempts to connect, and what is said of those that fail. */

const soon = () => AbortSignal.timeout(5000);
const certificates = makeCertificates();

async function listen(t: ExecutionContext, server: Server): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => server.close());
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('it does not listen');
  return address.port;
}

const connectTo = (port: number, options: object = {}) =>
  make('amqp10', { url: `amqps://127.0.0.1:${port}`, ...options }, 1).connect(() => true);

test('replicas and senders use the second of two brokers while the first is away', async (t) => {
  const broker = await startFakeBroker(t, { signsIn: (user, password) => user === 'u' && password === 'p' });
  const hosts: (string | undefined)[] = [];
  broker.container.on('connection_open', ({ connection }) => hosts.push(connection.hostname));
  const url = `amqp://u:p@127.0.0.1:${await freePort()}/v, ${broker.url}`;
  const session = await make('amqp10', { url }, 1).connect(() => true);
  await session.stop(soon());
  const sender = await transportKinds.amqp10
    ?.configure('bus', { kind: 'amqp10', url })
    .createSender({ clientName: 'test', logger: pino({ level: 'silent' }) })
    .connect(() => {});
  await sender?.send({ sender: 'i-1', body: Buffer.from('{}'), messageId: 'm-1' });
  await sender?.stop(soon());
  t.deepEqual(hosts, ['vhost:v', 'vhost:v']);
});

test('if no broker is there, the error names each with its reason', async (t) => {
  const [first, second] = [await freePort(), await freePort()];
  const url = `amqp://u:p@127.0.0.1:${first},amqp://127.0.0.1:${second}`;
  const error = await t.throwsAsync(
    make('amqp10', { url }, 1).connect(() => true),
    { name: 'NotConnected' },
  );
  t.regex(
    error?.message ?? '',
    new RegExp(`^127.0.0.1:${first}: .*ECONNREFUSED.*; 127.0.0.1:${second}: .*ECONNREFUSED`),
  );
});

test('a port that does not answer the TLS handshake is reported after connectTimeout', async (t) => {
  const port = await listen(t, createServer());
  const error = await t.throwsAsync(connectTo(port, { connectTimeout: 200 }), { name: 'NotConnected' });
  t.is(
    error?.message,
    'no TLS handshake was completed within 200 ms (connectTimeout): look whether the port in url is one for TLS',
  );
});

test('a broker that is silent after its TLS handshake is not reported as one without TLS', async (t) => {
  const { cert, key } = certificates.server;
  const port = await listen(t, createTlsServer({ cert: readFileSync(cert), key: readFileSync(key) }));
  const tls = { ca: certificates.ca };
  const error = await t.throwsAsync(connectTo(port, { connectTimeout: 2000, tls }), { name: 'NotConnected' });
  t.is(error?.message, 'no connection within 2000 ms (connectTimeout)');
});

for (const [what, server] of [
  [
    'after the handshake of TLS 1.3',
    () => {
      const { cert, key } = certificates.server;
      const options = { cert: readFileSync(cert), key: readFileSync(key) };
      return createTlsServer(options, (socket) => socket.on('error', () => {}).destroy());
    },
  ],
  ['within the handshake', () => createServer((socket) => socket.once('data', () => socket.destroy()))],
] as const) {
  test(`the error for a broker that closes ${what} without a word mentions a client certificate`, async (t) => {
    const port = await listen(t, server());
    const { ca, client } = certificates;
    const without = await t.throwsAsync(connectTo(port, { tls: { ca } }), { name: 'NotConnected' });
    t.regex(
      without?.message ?? '',
      /port in url .* asks for a client certificate \(tls\.cert and tls\.key\)/,
    );
    const strange = await t.throwsAsync(connectTo(port, { tls: { ca, ...client } }), {
      name: 'NotConnected',
    });
    t.regex(
      strange?.message ?? '',
      /port in url .* trusts the client certificate in .*tls\.cert and tls\.key/,
    );
  });
}

for (const [condition, name] of [
  ['amqp:not-found', 'ConfigError'],
  ['amqp:unauthorized-access', 'ConfigError'],
  ['amqp:resource-limit-exceeded', 'NotConnected'],
] as const) {
  test(`a link that is refused with ${condition} is a ${name}`, async (t) => {
    const broker = await startFakeBroker(t, { refusal: { condition, description: 'not you' } });
    const error = await t.throwsAsync(
      make('amqp10', { url: broker.url }, 1).connect(() => true),
      { name },
    );
    t.is(error?.message, `the broker refuses the link to conductor: ${condition}: not you`);
  });
}

test('a wrong password, and an unsupported mechanism, are configuration errors in one line', async (t) => {
  const broker = await startFakeBroker(t, {
    signsIn: (user, password) => user === 'ä' && password === 'ö:€',
  });
  const connect = (options: object) => make('amqp10', { url: broker.url, ...options }, 1).connect(() => true);
  const wrong = await t.throwsAsync(connect({ user: 'ä', password: 'wrong-password' }), {
    name: 'ConfigError',
  });
  t.is(
    wrong?.message,
    'the broker refuses the credentials: look at user, password and passwordFile, or url (SASL outcome 1)',
  );
  const anonymous = await t.throwsAsync(connect({}), { name: 'ConfigError' });
  t.is(anonymous?.message, 'sasl: the broker offers only PLAIN');
  await t.throwsAsync(connect({ sasl: 'plain' }), { name: 'ConfigError', message: /plain needs a user/ });
  // Beyond ASCII, a character is not a byte.
  await (await connect({ user: 'ä', password: 'ö:€' })).stop(soon());
});

test('the session gives up on a silent peer after connectTimeout', async (t) => {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => server.close());
  const address = server.address();
  const url = `amqp://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`;
  const error = await t.throwsAsync(make('amqp10', { url, connectTimeout: 100 }, 1).connect(() => true));
  t.is(error?.name, 'NotConnected');
  t.is(error?.message, 'no connection within 100 ms (connectTimeout)');
});

test('the session warns of auth.mode user-id if the broker does not check the user id', async (t) => {
  for (const [product, version, warning] of [
    ['RabbitMQ', '3.10.8', /over this RabbitMQ/],
    ['RabbitMQ', '3.13.0', undefined],
    ['RabbitMQ', '4.1.0', undefined],
    ['apache-activemq-artemis', '2.55.0', /over this broker, which does not check it/],
    ['ActiveMQ', '6.3.1', /over this broker, which does not check it/],
    ['qpid', '10.1.0', /qpid\.broker_msg_auth is true/],
    ['other', '1.0', undefined],
  ] as const) {
    const broker = await startFakeBroker(t, { properties: { product, version } });
    const lines: string[] = [];
    const logger = pino({ base: null }, { write: (line: string) => void lines.push(line) });
    const transport = transportKinds.amqp10
      ?.configure('rabbit', { kind: 'amqp10', url: broker.url, auth: { mode: 'user-id' } })
      .create({ share: { messages: 1, bytes: 1 }, replica: 'test', logger });
    await (await transport?.connect(() => true))?.stop(soon());
    t.is(lines.length, warning === undefined ? 0 : 1, product);
    if (warning !== undefined) t.regex(lines.join(), warning);
    const rabbitmq = version.startsWith('4') ? '/queues/conductor' : '/amq/queue/conductor';
    t.is(broker.senders[0]?.source.address, product === 'RabbitMQ' ? rabbitmq : 'conductor');
  }
});

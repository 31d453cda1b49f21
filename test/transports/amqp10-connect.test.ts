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

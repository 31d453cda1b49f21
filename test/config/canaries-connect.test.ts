import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import ava from 'ava';
import { openSession } from '../../src/database/session.ts';
import { make } from '../conformance/subjects/subject.ts';
import { freePort } from '../support/ports.ts';
import { needs, service } from '../support/services.ts';
import { canaries, canary, fileWith } from './canary-support.ts';

/** The error of a failed connection: a guest's program prints it, and has no configuration by which it could be masked. */

const schemes: Readonly<Record<string, string>> = {
  amqp091: 'amqp',
  amqp10: 'amqp',
  nats: 'nats',
  mqtt: 'mqtt',
};

interface Test {
  teardown(end: () => void): void;
}

/** The port of a server that does this with each connection. */
async function serverThat(t: Test, answer: (socket: Socket) => void): Promise<number> {
  const server = createServer((socket) => {
    socket.on('error', () => {});
    answer(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => server.close());
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('it does not listen');
  return address.port;
}

/** In NATS the server speaks first. Without this line a client says nothing, and so no secret, and waits for it until it gives up. */
const greeting =
  'INFO {"server_id":"s","version":"2.10.0","proto":1,"max_payload":1048576,"auth_required":true}\r\n';

/** Servers that nobody can use, and what they do. */
const servers = {
  'refuses connections': () => freePort(),
  'closes each connection': (t: Test) => serverThat(t, (socket) => socket.destroy()),
  'ends each connection after the first bytes': (t: Test, kind?: string) =>
    serverThat(t, (socket) => {
      if (kind === 'nats') socket.write(greeting);
      socket.once('data', () => socket.destroy());
    }),
  'answers in another protocol': (t: Test) =>
    serverThat(t, (socket) => void socket.end('HTTP/1.1 400 Bad Request\r\n\r\n')),
} as const;

/** All that an error tells: its message, and the same of its causes. */
function toldBy(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const others = error instanceof AggregateError ? error.errors : [];
  return [error.message, ...[error.cause, ...others].filter(Boolean).map(toldBy)].join('\n');
}

/** The options of a kind in which a secret stands in each of its places in turn. */
function placesOf(kind: string, secret: string, port: number): Record<string, unknown>[] {
  const scheme = schemes[kind] ?? kind;
  const url = `${scheme}://127.0.0.1:${port}`;
  const inUrl = encodeURIComponent(secret);
  const file = fileWith(`${secret.replaceAll('\n', ' ')}\n`);
  return [
    { url: `${scheme}://user:${inUrl}@127.0.0.1:${port}` },
    { url, user: 'user', password: secret },
    { url, user: 'user', passwordFile: file },
    { url: `${scheme}://user:${inUrl}@127.0.0.1:${port},${url}` },
    ...(kind === 'nats'
      ? [
          { url: `nats://${inUrl}@127.0.0.1:${port}` },
          { url, token: secret },
          { url, tokenFile: file },
          { url, nkeySeed: secret },
          { url, nkeySeedFile: file },
          { url, credentialsFile: file },
        ]
      : []),
  ];
}

async function connectError(kind: string, options: Record<string, unknown>): Promise<string> {
  try {
    const session = await make(kind, options, 1).connect(() => true);
    await session.stop(AbortSignal.timeout(1000));
  } catch (error) {
    return toldBy(error);
  }
  throw new Error(`${kind} has connected`);
}

for (const kind of Object.keys(schemes))
  for (const [what, open] of Object.entries(servers))
    ava(`${kind}: the error of a connection to a server that ${what} has no secret`, async (t) => {
      const port = await open(t, kind);
      const told = canaries.flatMap((secret) =>
        placesOf(kind, secret, port).map((options) => connectError(kind, options)),
      );
      for (const text of await Promise.all(told)) t.notRegex(text, canary);
    });

for (const [what, open] of Object.entries(servers))
  ava(`the error of a connection to a database that ${what} has no secret`, async (t) => {
    const port = await open(t);
    for (const secret of canaries) {
      const inUrl = encodeURIComponent(secret);
      const address = `127.0.0.1:${port}/trove?sslpassword=${inUrl}`;
      const passwordFile = fileWith(`${secret.replaceAll('\n', ' ')}\n`);
      for (const database of [
        { url: `postgresql://user:${inUrl}@${address}` },
        { url: `postgresql://user@${address}`, passwordFile },
      ])
        t.notRegex(toldBy(await t.throwsAsync(openSession(database, 'look'))), canary);
    }
  });

for (const kind of ['amqp091', 'amqp10'] as const)
  needs(ava, 'rabbitmq')(`${kind}: the error of a refused sign-in has no secret`, async (t) => {
    const port = Number(new URL(service('rabbitmq').url).port);
    // RabbitMQ waits before it refuses, so that nobody guesses fast.
    const told = canaries.flatMap((secret) =>
      placesOf(kind, secret, port).map((options) => connectError(kind, options)),
    );
    for (const text of await Promise.all(told)) t.notRegex(text, canary);
  });

/**
 * Brokers of a test file's own with a plain and a TLS listener, which asks for a client certificate. Each is started when it is first
 * asked for, once a file; `stopSecureBrokers` belongs into `test.after.always`.
 */

import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { type Certificate, type Certificates, makeCertificates } from './certificates.ts';
import { type Mosquitto, startMosquitto } from './mosquitto.ts';
import { type Nats, startNats } from './nats.ts';
import { freePort } from './ports.ts';
import { findProgram } from './processes.ts';
import { startRabbitmq } from './rabbitmq.ts';
import type { Rabbitmq } from './rabbitmq-api.ts';
import type { Server } from './server.ts';
import { temporaryDirectory } from './temporary.ts';

/** Signs in by this, beside the client certificate. */
export const user = 'conductor';
export const password = 'correct horse: 100 %';

/** Bytes of the largest message that `secureRabbitmq` takes. */
export const largestMessage = 100_000;

export interface Secure {
  readonly certificates: Certificates;
  readonly tlsPort: number;
}

const stops: (() => Promise<void>)[] = [];
let certificates: Certificates | undefined;

/** One set a file. */
export function certificatesOfFile(): Certificates {
  certificates ??= makeCertificates();
  return certificates;
}

function once<Broker extends Server>(start: () => Promise<Broker>): () => Promise<Broker> {
  let started: Promise<Broker> | undefined;
  return () => {
    started ??= start().then((broker) => {
      stops.push(broker.kill);
      return broker;
    });
    return started;
  };
}

/** With SASL EXTERNAL beside PLAIN, and a bound of messages; `user` has no virtual host yet. A further broker would take 6 CPU s to start. */
export const secureRabbitmq: () => Promise<Rabbitmq & Server & Secure> = once(async () => {
  const certificates = certificatesOfFile();
  const tlsPort = await freePort();
  const server = await startRabbitmq({
    settings: [
      `max_message_size = ${largestMessage}`,
      `listeners.ssl.1 = 127.0.0.1:${tlsPort}`,
      `ssl_options.cacertfile = ${certificates.ca}`,
      `ssl_options.certfile = ${certificates.server.cert}`,
      `ssl_options.keyfile = ${certificates.server.key}`,
      'ssl_options.verify = verify_peer',
      'ssl_options.fail_if_no_peer_cert = true',
      'ssl_cert_login_from = common_name',
      'auth_mechanisms.1 = PLAIN',
      'auth_mechanisms.2 = EXTERNAL',
    ],
    plugins: ['rabbitmq_auth_mechanism_ssl'],
  });
  await server.request('PUT', `/users/${user}`, { password, tags: '' });
  return Object.assign(server, { certificates, tlsPort });
});

/** Whoever comes to the plain listener is let in, so that tests publish there; over TLS and WebSockets only `user` is. */
export const secureMosquitto: () => Promise<
  Mosquitto & Server & Secure & { readonly webSocketPort: number }
> = once(async () => {
  const certificates = certificatesOfFile();
  const [tlsPort, webSocketPort] = [await freePort(), await freePort()];
  const passwords = join(temporaryDirectory('passwords'), 'passwords');
  execFileSync(findProgram('mosquitto_passwd') ?? 'mosquitto_passwd', [
    '-b',
    '-c',
    passwords,
    user,
    password,
  ]);
  const tls = [
    'allow_anonymous false',
    `password_file ${passwords}`,
    `cafile ${certificates.ca}`,
    `certfile ${certificates.server.cert}`,
    `keyfile ${certificates.server.key}`,
    'require_certificate true',
  ];
  const server = await startMosquitto({
    perListener: true,
    furtherPorts: [tlsPort, webSocketPort],
    settings: [
      `listener ${tlsPort} 127.0.0.1`,
      ...tls,
      `listener ${webSocketPort} 127.0.0.1`,
      'protocol websockets',
      ...tls,
    ],
  });
  return Object.assign(server, { certificates, tlsPort, webSocketPort });
});

/** One listener, with TLS; only `user` is let in. */
export const secureNats: () => Promise<Nats & Server & Secure> = once(async () => {
  const certificates = certificatesOfFile();
  const server = await startNats({
    tls: { ...certificates.server, ca: certificates.ca },
    users: [{ user, password }],
  });
  return Object.assign(server, { certificates, tlsPort: server.port });
});

/** Stops those that were started. */
export async function stopSecureBrokers(): Promise<void> {
  await Promise.all(stops.splice(0).map((stop) => stop()));
}

/** The options under `tls`, with a client certificate or none. */
export function tlsOf(ca: string, client?: Certificate): Record<string, string> {
  return { ca, ...client };
}

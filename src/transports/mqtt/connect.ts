import { isIP, connect as openTcp } from 'node:net';
import type { Duplex } from 'node:stream';
import { connect as openTls } from 'node:tls';
import { type IClientOptions, type IConnackPacket, MqttClient } from 'mqtt';
import { streamBuilder as openWebSocket } from 'mqtt/lib/connect/ws';
import { ConfigError, codeOf, Displaced, messageOf, NotConnected } from '../../core/errors.ts';
import { readsEvents } from '../../core/message/codecs/cloudevents-binary.ts';
import { connectToFirst } from '../../core/transport/addresses.ts';
import { credentialsOf, tlsOptions } from '../../core/transport/security.ts';
import { SessionLife } from '../../core/transport/session-life.ts';
import { tlsFailure } from '../../core/transport/tls-failure.ts';
import type { MqttOptions } from './options.ts';
import { Tap } from './read-tap.ts';

/** CONNACK codes that another attempt does not change: 3.1.1, section 3.2.2.3, and 5, section 3.2.2.2. */
const finalCodes: ReadonlySet<unknown> = new Set([1, 2, 4, 5, 0x84, 0x85, 0x86, 0x87, 0x8a, 0x8c]);
/** Those of them that concern the credentials. */
const credentialCodes: ReadonlySet<unknown> = new Set([4, 5, 0x86, 0x87, 0x8c]);

/** The largest receive maximum: two bytes on the wire. It is also the default (MQTT 5, sections 3.1.2.11.3 and 3.2.2.3.3). */
export const maxReceiveMaximum = 65_535;

/** DISCONNECT reason code (MQTT 5, section 3.14.2.1). */
const sessionTakenOver = 0x8e;

const notMqtt = 'does url name a port where MQTT is spoken, and mqtts: where the broker wants TLS?';

/** A connection that the broker has accepted. */
export interface Connection {
  readonly client: MqttClient;
  readonly tap: Tap;
  readonly life: SessionLife;
  readonly connack: IConnackPacket;
}

/**
 * Opens one connection and signs in with `user` and `password`, or with those of the address. It does not reconnect.
 *
 * @param settings the connection's other settings: client id, clean, properties of version 5.
 * @param readsTrace whether to read the contexts of senders' spans.
 * @throws ConfigError, which names the key to look at, or NotConnected.
 */
export function openConnection(
  options: MqttOptions,
  settings: IClientOptions,
  readsTrace = false,
): Promise<Connection> {
  return connectToFirst(options.url, (address) => openAt(new URL(address), options, settings, readsTrace));
}

async function openAt(
  url: URL,
  options: MqttOptions,
  settings: IClientOptions,
  readsTrace: boolean,
): Promise<Connection> {
  const known = credentialsOf(options, url.href);
  const isV5 = options.version === '5';
  const client: MqttClient = new MqttClient(() => tap, {
    ...(known !== undefined && { username: known.user, password: known.password }),
    keepalive: options.keepalive,
    connectTimeout: options.connectTimeout,
    protocolVersion: isV5 ? 5 : 4,
    reconnectPeriod: 0,
    resubscribe: false,
    manualConnect: true,
    ...settings,
  });
  const bySubject = options.auth.mode === 'subject';
  const tap = new Tap(openSocket(url, options, client), {
    hasProperties: isV5,
    bySubject,
    readsEvents: readsEvents(options),
    readsTrace,
  });
  const life = new SessionLife(() => tap.destroy());
  let accepted = false;
  const fail = (error: unknown) => life.fail(accepted ? lossOf(error) : refusalOf(error, options));
  // The library would go on reading in the middle of a packet. It does not report all errors of its stream.
  client.on('error', fail);
  tap.on('error', fail);
  client.on('disconnect', ({ reasonCode }) => life.fail(disconnectReason(client, reasonCode)));
  client.on('close', () =>
    life.end(
      accepted
        ? closedSilently(client)
        : refusalOf(new Error('the connection was closed before it was accepted'), options),
    ),
  );
  const accepting = new Promise<IConnackPacket>((resolve) => {
    client.once('connect', (packet) => {
      accepted = true;
      resolve(packet);
    });
  });
  client.connect();
  return { client, tap, life, connack: await life.wait(accepting) };
}

function openSocket(url: URL, options: MqttOptions, client: MqttClient): Duplex {
  const secure = url.protocol === 'mqtts:' || url.protocol === 'wss:';
  const tls = secure ? tlsOptions(options) : {};
  // An IPv6 address is in brackets.
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1');
  if (url.protocol === 'ws:' || url.protocol === 'wss:') {
    return openWebSocket(client, {
      protocol: secure ? 'wss' : 'ws',
      hostname: url.hostname,
      port: Number(url.port),
      path: `${url.pathname}${url.search}`,
      wsOptions: tls,
    });
  }
  const target = { host, port: Number(url.port) || (secure ? 8883 : 1883), noDelay: true };
  // An IP address must not be in the server name extension (RFC 6066, section 3).
  return secure
    ? openTls({ ...(isIP(host) === 0 && { servername: host }), ...tls, ...target })
    : openTcp(target);
}

/** The reason of the end, in the broker's own words. */
function disconnectReason(client: MqttClient, reasonCode: number | undefined): NotConnected {
  return reasonCode === sessionTakenOver
    ? new Displaced(`another connection has ${sharedId(client)}`)
    : new NotConnected(`the broker disconnected with reason code ${reasonCode}`);
}

/** The end without a reason. MQTT 3.1.1 has none, and not every broker of MQTT 5 gives one. */
function closedSilently(client: MqttClient): Displaced {
  return new Displaced(
    `the connection was closed without a word; if this goes on, another connection has ${sharedId(client)}`,
  );
}

function sharedId({ options }: MqttClient): string {
  return `the client id ${options.clientId}: give each replica a name of its own (replica)`;
}

/** The error that ended an accepted connection. */
export function lossOf(error: unknown): Error {
  return error instanceof NotConnected || error instanceof ConfigError
    ? error
    : new NotConnected(messageOf(error), { cause: error });
}

/** The error that prevented the connection. */
function refusalOf(error: unknown, { tls }: MqttOptions): Error {
  const failure = tlsFailure(error, tls.cert);
  if (failure !== undefined) return failure;
  const code: unknown = error instanceof Error && 'code' in error ? error.code : undefined;
  const message = codeOf(error) !== undefined && messageOf(error) === '' ? String(code) : messageOf(error);
  // Errors of sockets and refusals of brokers have codes. Without one, one side has not understood the other.
  if (code === undefined) return new NotConnected(`${message}: ${notMqtt}`, { cause: error });
  if (!finalCodes.has(code)) return new NotConnected(message, { cause: error });
  const hint = credentialCodes.has(code) ? ': look at user, password and passwordFile, or url' : '';
  return new ConfigError(`the broker refuses the connection: ${message}${hint}`, {
    code: 'broker-sign-in',
    cause: error,
  });
}

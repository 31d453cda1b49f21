import mqtt, { type IClientOptions, type IConnackPacket, type MqttClient } from 'mqtt';
import { ConfigError, codeOf, messageOf, NotConnected, Undeliverable } from '../../core/errors.ts';
import { credentialsOf, type SecurityOptions, tlsOptions } from '../../core/transport/security.ts';
import { tlsFailure } from '../../core/transport/tls-failure.ts';
import type { MqttOptions } from './options.ts';

/** CONNACK codes that trying again does not change: 3.1.1, section 3.2.2.3, and 5, section 3.2.2.2. */
const finalCodes: ReadonlySet<unknown> = new Set([1, 2, 4, 5, 0x84, 0x85, 0x86, 0x87, 0x8a, 0x8c]);
/** Those of them that are about who we are. */
const credentialCodes: ReadonlySet<unknown> = new Set([4, 5, 0x86, 0x87, 0x8c]);

/** Two bytes on the wire, and what holds where nothing is said (MQTT 5, sections 3.1.2.11.3 and 3.2.2.3.3). */
export const maxReceiveMaximum = 65_535;

/** DISCONNECT reason code (MQTT 5, section 3.14.2.1). */
const sessionTakenOver = 0x8e;

const notMqtt = 'does url name a port where MQTT is spoken, and mqtts: where the broker wants TLS?';

export type ConnectionOptions = SecurityOptions &
  Pick<MqttOptions, 'url' | 'version' | 'keepalive' | 'connectTimeout'>;

/**
 * A client that has not connected yet, signed in by `user` and `password`, or what the URL has of them. It never comes back by
 * itself: whoever supervises it makes a new one.
 *
 * @param settings what this connection wants beside that: client id, clean, properties of version 5.
 * @throws ConfigError for a file of `tls.*`.
 */
export function createClient(options: ConnectionOptions, settings: IClientOptions): MqttClient {
  const url = new URL(options.url);
  const known = credentialsOf(options, options.url);
  // The library would put those of the URL before ours.
  url.username = '';
  url.password = '';
  const secure = url.protocol === 'mqtts:' || url.protocol === 'wss:';
  const tls = secure ? tlsOptions(options) : {};
  const client = mqtt.connect(url.href, {
    ...(known !== undefined && { username: known.user, password: known.password }),
    ...tls,
    // WebSockets get only some of the TLS options from the library.
    ...(url.protocol === 'wss:' && { wsOptions: tls }),
    keepalive: options.keepalive,
    connectTimeout: options.connectTimeout,
    protocolVersion: options.version === '5' ? 5 : 4,
    reconnectPeriod: 0,
    resubscribe: false,
    manualConnect: true,
    ...settings,
  });
  // Errors come with the promises that are awaited or with the close; unheard, the event would end the process.
  client.on('error', () => {});
  return client;
}

/** Connects; resolves with the CONNACK. Rejects with ConfigError, which names the key to look at, or NotConnected. */
export function connected(client: MqttClient): Promise<IConnackPacket> {
  return new Promise((resolve, reject) => {
    let reason: unknown;
    const remember = (error: unknown) => {
      reason ??= error;
    };
    client.once('connect', resolve);
    client.once('error', (error) => {
      remember(error);
      reject(classify(error, client));
    });
    client.once('close', () =>
      reject(classify(reason ?? new Error('the connection was closed before it was accepted'), client)),
    );
    client.connect();
    // The library keeps some of its stream's errors to itself, such as those of a WebSocket's handshake.
    client.stream.once('error', remember);
  });
}

/** Why the connection ends, by the broker's own word. */
export function disconnectReason(client: MqttClient, reasonCode: number | undefined): NotConnected {
  return new NotConnected(
    reasonCode === sessionTakenOver
      ? `another connection has the client id ${client.options.clientId}: give each replica a name of its own (replica)`
      : `the broker disconnected with reason code ${reasonCode}`,
  );
}

/** The same where it has said nothing. MQTT 3.1.1 has no word for it, and not every broker of MQTT 5 says it. */
export function closedSilently(client: MqttClient): NotConnected {
  return new NotConnected(
    `the connection was closed without a word; if this goes on, another connection has the client id ${client.options.clientId}: give each replica a name of its own (replica)`,
  );
}

/** Why a message was not published. Only a PUBACK has a reason code; everything else is the connection's end, perhaps told early. */
export function publishFailure(error: unknown): Error {
  if (error instanceof NotConnected || error instanceof Undeliverable) return error;
  return error instanceof Error && 'code' in error && typeof error.code === 'number'
    ? new Undeliverable(`the broker refuses the message: ${error.message}`, { cause: error })
    : new NotConnected(messageOf(error), { cause: error });
}

function classify(error: unknown, { options }: MqttClient): Error {
  const failure = tlsFailure(error, options.cert === undefined ? '' : 'tls.cert');
  if (failure !== undefined) return failure;
  const code: unknown = error instanceof Error && 'code' in error ? error.code : undefined;
  const message = codeOf(error) !== undefined && messageOf(error) === '' ? String(code) : messageOf(error);
  // Errors of sockets and refusals of brokers have codes; without one, the peer has not understood us, or we not the peer.
  if (code === undefined) return new NotConnected(`${message}: ${notMqtt}`, { cause: error });
  if (!finalCodes.has(code)) return new NotConnected(message, { cause: error });
  const hint = credentialCodes.has(code) ? ': look at user, password and passwordFile, or url' : '';
  return new ConfigError(`the broker refuses the connection: ${message}${hint}`, { cause: error });
}

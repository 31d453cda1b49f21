import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { JetStreamApiError } from '@nats-io/jetstream';
import {
  type Authenticator,
  connect,
  credsAuthenticator,
  errors,
  type NatsConnection,
  type NodeConnectionOptions,
  nkeyAuthenticator,
  tokenAuthenticator,
  usernamePasswordAuthenticator,
} from '@nats-io/transport-node';
import { ConfigError, codeOf, messageOf, NotConnected } from '../../core/errors.ts';
import { connectToFirst } from '../../core/transport/addresses.ts';
import { credentialsOf, tlsOptions } from '../../core/transport/security.ts';
import { tlsFailure } from '../../core/transport/tls-failure.ts';
import type { NatsOptions } from './options.ts';
import { Wire } from './read-library.ts';

/**
 * ONE attempt to connect: to one server after the other, each with the credentials of its address. Fails with ConfigError (wrong
 * credentials, a certificate that is not trusted, a file that cannot be read) or NotConnected.
 *
 * @param name of the connection, for the server's monitoring.
 */
export function openConnection(options: NatsOptions, name: string): Promise<Wire> {
  return connectToFirst(options.url, (url) => openAt({ ...options, url }, name));
}

/** @param options their `url` is one address. */
async function openAt(options: NatsOptions, name: string): Promise<Wire> {
  const settings: NodeConnectionOptions = {
    servers: new URL(options.url).host,
    name,
    timeout: options.connectTimeout,
    // The supervisor reconnects, with a new connection.
    reconnect: false,
    ignoreClusterUpdates: true,
    pingInterval: options.pingInterval * 1000,
    maxPingOut: 1,
    // Traces would walk the stack at each request.
    noAsyncTraces: true,
    inboxPrefix: options.inboxPrefix,
    ...tlsSettings(options),
  };
  const authenticator = authenticatorOf(options);
  if (authenticator !== undefined) settings.authenticator = authenticator;
  try {
    return new Wire(await connect(settings));
  } catch (error) {
    throw explain(error, options);
  }
}

/**
 * In TLS 1.3 our part of the handshake ends before the server checks our certificate. If the server refuses the certificate, it may cut
 * the connection before its reason has arrived.
 */
function cutOff(message: string, cert: string): string {
  return cert === ''
    ? `${message}: if the broker asks for a client certificate, set tls.cert and tls.key`
    : `tls.cert: the broker seems to refuse our certificate: ${message}`;
}

/** Explains an error of the handshake. It names the few keys that can be at fault. */
function explain(error: unknown, options: NatsOptions): Error {
  const { cert } = options.tls;
  const cause = error instanceof Error ? error.cause : undefined;
  const failure = tlsFailure(error, cert) ?? tlsFailure(cause, cert);
  if (failure !== undefined) return failure;
  const message = error === undefined ? '' : messageOf(error);
  if (tlsSettings(options).tls !== undefined && [error, cause].some((one) => codeOf(one) === 'ECONNRESET'))
    return new NotConnected(cutOff(message, cert), { cause: error });
  if (message.includes("does not support 'tls'"))
    return new ConfigError('url: the broker does not speak TLS at this port', {
      code: 'broker-tls',
      cause: error,
    });
  if (isRefusal(error))
    return new ConfigError(
      `the broker refuses the credentials: look at ${credentialKeys(options)} (${message})`,
      { code: 'broker-sign-in', cause: error },
    );
  return classify(error);
}

/** Whether the broker refuses the credentials. The library uses the same class for a handshake that took too long. */
function isRefusal(error: unknown): boolean {
  return error instanceof errors.AuthorizationError && !/timeout/i.test(error.message);
}

/** The keys that `authenticatorOf` reads. */
function credentialKeys(options: NatsOptions): string {
  const keys = ['credentialsFile', 'nkeySeedFile', 'nkeySeed', 'tokenFile', 'token'] as const;
  return keys.find((key) => options[key] !== '') ?? 'user, password and passwordFile, or url';
}

/** By the first that is set of: credentials file, seed, token, user and password. Undefined if none is. */
function authenticatorOf(options: NatsOptions): Authenticator | undefined {
  if (options.credentialsFile !== '') {
    const credentials = readNamed(options.credentialsFile, 'credentialsFile');
    if (!/-BEGIN NATS USER JWT-[\s\S]*-BEGIN USER NKEY SEED-/.test(credentials))
      throw new ConfigError('credentialsFile: expected a JWT and a seed, as nsc writes them');
    return checked('credentialsFile', credsAuthenticator(new TextEncoder().encode(credentials)));
  }
  const [seedKey, seed] = secretOf('nkeySeed', options.nkeySeed, options.nkeySeedFile);
  if (seed !== '') return checked(seedKey, nkeyAuthenticator(new TextEncoder().encode(seed)));
  const [, token] = secretOf('token', options.token, options.tokenFile);
  if (token !== '') return tokenAuthenticator(token);
  const credentials = credentialsOf(options, options.url);
  if (credentials === undefined) return undefined;
  return usernamePasswordAuthenticator(credentials.user, credentials.password);
}

/** Tries the authenticator once. The library would try it during the handshake, and its error there says little. */
function checked(key: string, authenticator: Authenticator): Authenticator {
  try {
    authenticator('nonce');
    return authenticator;
  } catch {
    throw new ConfigError(`${key}: is not the seed of an nkey`);
  }
}

/** A secret, and the key it comes from. */
function secretOf(key: string, value: string, file: string): [key: string, secret: string] {
  if (file === '') return [key, value];
  const [secret = ''] = readNamed(file, `${key}File`).split(/\r?\n/);
  if (secret === '') throw new ConfigError(`${key}File: ${file} is empty`);
  return [`${key}File`, secret];
}

function readNamed(file: string, key: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new ConfigError(`${key}: cannot read the file: ${messageOf(error)}`);
  }
}

/** Without these settings the library uses TLS if the server offers it. */
function tlsSettings(options: NatsOptions): Pick<NodeConnectionOptions, 'tls'> {
  const { ca, cert, key, serverName, verify } = options.tls;
  const { protocol, hostname } = new URL(options.url);
  const wanted = protocol === 'tls:' || !verify || [ca, cert, key, serverName].some((text) => text !== '');
  if (!wanted) return {};
  const { ca: authorities, cert: certificate, key: privateKey, ...rest } = tlsOptions(options);
  const address = hostname.replace(/^\[|\]$/g, '');
  const tls = {
    ...rest,
    ...(authorities !== undefined && { ca: String(authorities) }),
    ...(certificate !== undefined && { cert: String(certificate) }),
    ...(privateKey !== undefined && { key: String(privateKey) }),
    // An IP address is no server name in TLS. Then the certificate is compared with this one.
    ...(isIP(address) !== 0 && { host: address }),
  };
  return { tls: { ...tls, rejectUnauthorized: verify } };
}

/** ConfigError if another attempt cannot help; otherwise NotConnected. */
export function classify(error: unknown): Error {
  if (error instanceof ConfigError || error instanceof NotConnected) return error;
  const message = error === undefined ? 'the connection was closed' : messageOf(error);
  if (isRefusal(error))
    return new ConfigError(`the broker refuses the credentials: ${message}`, {
      code: 'broker-sign-in',
      cause: error,
    });
  const violation = permissionViolation(error);
  if (violation !== undefined)
    return new ConfigError(`the broker does not allow it: ${violation.message}`, {
      code: 'broker-refuses',
      cause: error,
    });
  // Code 503: the cluster has no leader now, or is starting.
  if (error instanceof JetStreamApiError && error.status < 500)
    return new ConfigError(message, { code: 'broker-refuses', cause: error });
  return new NotConnected(message, { cause: error });
}

/** The permission violation in an error; the library may wrap it in the error of a request. */
export function permissionViolation(error: unknown) {
  const cause = error instanceof Error ? error.cause : undefined;
  return [error, cause].find((one) => one instanceof errors.PermissionViolationError);
}

/** Reports errors of the server and of the library until the connection closes. */
export async function watch(
  connection: NatsConnection,
  on: { error(error: Error): void; stale(): void },
): Promise<void> {
  for await (const status of connection.status()) {
    if (status.type === 'error') on.error(status.error);
    else if (status.type === 'staleConnection') on.stale();
  }
}

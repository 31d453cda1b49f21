import { Socket } from 'node:net';
import { type ChannelModel, connect, credentials } from 'amqplib';
import { credentialsOf, type SecurityOptions, tlsOptions } from '../../core/config/security.ts';
import { ConfigError, messageOf, NotConnected } from '../../core/errors.ts';
import { tlsFailure } from '../../core/tls-failure.ts';
import type { Amqp091Options } from './options.ts';
import { asConfigError } from './replies.ts';

/**
 * Opens one connection, signed in: by `user` and `password`, or what the URL has of them; by the client certificate alone (SASL
 * EXTERNAL) where there is one and nobody is named.
 *
 * @param name what the broker shows its operator of it.
 * @throws ConfigError, which names the key to look at, or NotConnected.
 */
export async function openConnection(
  options: SecurityOptions & Pick<Amqp091Options, 'url' | 'heartbeat' | 'connectTimeout'>,
  name: string,
): Promise<ChannelModel> {
  const target = new URL(options.url);
  if (!target.searchParams.has('heartbeat')) target.searchParams.set('heartbeat', String(options.heartbeat));
  const known = credentialsOf(options, options.url);
  const external = known === undefined && options.tls.cert !== '' && target.protocol === 'amqps:';
  const settings = {
    timeout: options.connectTimeout,
    noDelay: true,
    keepAlive: true,
    clientProperties: { connection_name: name },
    ...(known !== undefined && { credentials: credentials.plain(known.user, known.password) }),
    ...(external && { credentials: credentials.external() }),
    ...(target.protocol === 'amqps:' && tlsOptions(options)),
  };
  try {
    const connection = await connect(target.href, settings);
    // Whoever uses it listens on its own; until then an error, unheard, would end the process.
    connection.on('error', () => {});
    return connection;
  } catch (error) {
    throw explain(error, target);
  }
}

/** Ends a connection that no longer answers: the library cannot be asked to. */
export function letGo({ connection }: ChannelModel): void {
  const stream: unknown = Reflect.get(connection, 'stream');
  if (stream instanceof Socket) stream.destroy();
}

/** The error of an operation on a connection, by its consequence. */
export function classify(error: unknown): Error {
  const final = asConfigError(error);
  if (final instanceof ConfigError) return final;
  return error instanceof NotConnected ? error : new NotConnected(messageOf(error), { cause: error });
}

/** The error of a handshake: what is refused there is a matter of few keys. */
function explain(error: unknown, { pathname }: URL): Error {
  const message = messageOf(error);
  const because = (key: string) => new ConfigError(`${key}: ${message}`, { cause: error });
  if (message.includes('SASL mechanism EXTERNAL'))
    return because('the broker does not take a client certificate for a user: set user and password');
  if (/ACCESS.REFUSED/.test(message))
    return because('the broker refuses the credentials: look at user, password and passwordFile, or url');
  // The library does not say what the broker closes the connection with at this point; it can be nothing else.
  if (message.includes('Expected ConnectionOpenOk; got <ConnectionClose'))
    return new ConfigError(
      `the broker refuses the virtual host in url, ${decodeURIComponent(pathname.slice(1)) || '/'}: it is not there, or the user may not use it`,
      { cause: error },
    );
  return tlsFailure(error) ?? classify(error);
}

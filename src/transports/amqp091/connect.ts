import { type Channel, type ChannelModel, connect, credentials } from 'amqplib';
import { messageOf, NotConnected } from '../../core/errors.ts';
import { connectToFirst } from '../../core/transport/addresses.ts';
import { credentialsOf, type SecurityOptions, tlsOptions } from '../../core/transport/security.ts';
import { SessionLife } from '../../core/transport/session-life.ts';
import type { SignIn } from './connect-handshake.ts';
import { explain } from './connect-refusal.ts';
import type { Amqp091Options } from './options.ts';
import { letGo, onConnectionFault } from './read.ts';

type ConnectOptions = SecurityOptions & Pick<Amqp091Options, 'url' | 'heartbeat' | 'connectTimeout'>;

/**
 * Opens one connection, signed in: by `user` and `password`, or what the URL has of them; by the client certificate alone (SASL
 * EXTERNAL) where there is one and nobody is named.
 *
 * @param name what the broker shows its operator of it.
 * @throws ConfigError, which names the key to look at, or NotConnected.
 */
export function openConnection(options: ConnectOptions, name: string): Promise<ChannelModel> {
  return connectToFirst(options.url, (address) => openAt(new URL(address), options, name));
}

async function openAt(target: URL, options: ConnectOptions, name: string): Promise<ChannelModel> {
  if (!target.searchParams.has('heartbeat')) target.searchParams.set('heartbeat', String(options.heartbeat));
  const signIn = signInOf(options, target);
  const tls = target.protocol === 'amqps:' ? tlsOptions(options) : undefined;
  const settings = {
    timeout: options.connectTimeout,
    noDelay: true,
    keepAlive: true,
    clientProperties: { connection_name: name },
    credentials: signIn,
    ...tls,
  };
  try {
    const connection = await connect(target.href, settings);
    // Whoever uses it listens on its own; until then an error, unheard, would end the process.
    connection.on('error', () => {});
    return connection;
  } catch (error) {
    throw await explain(error, { target, signIn, tls, patience: options.connectTimeout });
  }
}

function signInOf(options: SecurityOptions, target: URL): SignIn {
  const known = credentialsOf(options, target.href);
  if (known === undefined && options.tls.cert !== '' && target.protocol === 'amqps:')
    return credentials.external();
  // Brokers know this user from their installation on.
  const { user, password } = known ?? { user: 'guest', password: 'guest' };
  return credentials.plain(user, password);
}

/**
 * Closes a channel or a connection. Resolves once the broker has confirmed it, or the connection has ended: the library never answers
 * a close that the end of the connection overtakes.
 */
export function close(target: Channel | ChannelModel): Promise<void> {
  const ended = new Promise<void>((resolve) => target.once('close', () => resolve()));
  return Promise.race([target.close(), ended]);
}

/** The life of a session on this connection: it ends with the connection, with this channel, or over a fault. */
export function lifeOf(connection: ChannelModel, channel: Channel): SessionLife {
  const life = new SessionLife(() => {
    // Tells the broker as long as it listens.
    connection.close().catch(() => {});
    letGo(connection);
  });
  connection.on('error', (error) => life.end(error));
  connection.on('close', (error) => life.end(error));
  onConnectionFault(connection, (error) => life.fail(faultOf(error)));
  endWith(life, channel);
  return life;
}

/** The session ends with this channel too, and as soon as a callback of ours throws there: the library would close it later or never. */
export function endWith(life: SessionLife, channel: Channel): void {
  channel.on('error', (error) => life.fail(error));
  channel.on('close', () => {
    if (!life.stopping) life.fail(new NotConnected('the channel was closed'));
  });
  channel.on('handler-error', (error) => life.fail(faultOf(error)));
}

function faultOf(error: unknown): NotConnected {
  return new NotConnected(`the connection is given up over a fault: ${messageOf(error)}`, { cause: error });
}

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

export interface SignedIn {
  readonly connection: ChannelModel;
  /** The user of the options, or of the address that was connected to. Undefined if neither names one. */
  readonly user: string | undefined;
}

/**
 * Opens one connection and signs in: with `user` and `password`, or with those of the address. If there are none, with the client
 * certificate (SASL EXTERNAL), if there is one.
 *
 * @param name of the connection, for the broker's management.
 * @throws ConfigError, which names the key to look at, or NotConnected.
 */
export async function openConnection(options: ConnectOptions, name: string): Promise<ChannelModel> {
  return (await signIn(options, name)).connection;
}

/** Like `openConnection`, and says as whom it has signed in. */
export function signIn(options: ConnectOptions, name: string): Promise<SignedIn> {
  return connectToFirst(options.url, async (address) => {
    const connection = await openAt(new URL(address), options, name);
    return { connection, user: credentialsOf(options, address)?.user };
  });
}

async function openAt(target: URL, options: ConnectOptions, name: string): Promise<ChannelModel> {
  if (!target.searchParams.has('heartbeat')) target.searchParams.set('heartbeat', String(options.heartbeat));
  const mechanism = signInOf(options, target);
  const tls = target.protocol === 'amqps:' ? tlsOptions(options) : undefined;
  const settings = {
    timeout: options.connectTimeout,
    noDelay: true,
    keepAlive: true,
    clientProperties: { connection_name: name },
    credentials: mechanism,
    ...tls,
  };
  try {
    const connection = await connect(target.href, settings);
    // An error event without a listener would end the process. Users of the connection add listeners of their own.
    connection.on('error', () => {});
    return connection;
  } catch (error) {
    throw await explain(error, { target, signIn: mechanism, tls, patience: options.connectTimeout });
  }
}

function signInOf(options: SecurityOptions, target: URL): SignIn {
  const known = credentialsOf(options, target.href);
  if (known === undefined && options.tls.cert !== '' && target.protocol === 'amqps:')
    return credentials.external();
  // A new RabbitMQ has this user.
  const { user, password } = known ?? { user: 'guest', password: 'guest' };
  return credentials.plain(user, password);
}

/** The life of a session on this connection. It ends with the connection, with this channel, or after a fault. */
export function lifeOf(connection: ChannelModel, channel: Channel): SessionLife {
  const life = new SessionLife(() => {
    // Tells the broker, if it still reads.
    connection.close().catch(() => {});
    letGo(connection);
  });
  connection.on('error', (error) => life.end(error));
  connection.on('close', (error) => life.end(error));
  onConnectionFault(connection, (error) => life.fail(faultOf(error)));
  endWith(life, channel);
  return life;
}

/** The session also ends with this channel, and once a callback of ours throws there: the library would close it later or never. */
export function endWith(life: SessionLife, channel: Channel): void {
  channel.on('error', (error) => life.fail(error));
  channel.on('close', () => {
    if (!life.stopping) life.fail(new NotConnected('the channel was closed'));
  });
  channel.on('handler-error', (error) => life.fail(faultOf(error)));
}

function faultOf(error: unknown): NotConnected {
  return new NotConnected(`the connection was closed after a fault: ${messageOf(error)}`, { cause: error });
}

import { type ChannelModel, connect, credentials } from 'amqplib';
import { credentialsOf, type SecurityOptions, tlsOptions } from '../../core/transport/security.ts';
import type { SignIn } from './connect-handshake.ts';
import { explain } from './connect-refusal.ts';
import type { Amqp091Options } from './options.ts';

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

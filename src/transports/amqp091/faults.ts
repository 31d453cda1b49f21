import type { Channel, ChannelModel } from 'amqplib';
import { messageOf, NotConnected } from '../../core/errors.ts';
import { SessionLife } from '../../core/transport/session-life.ts';
import { letGo, onConnectionFault } from './read.ts';

/**
 * Calls `fail` with an error of ours as soon as a listener or a callback of ours throws within the library. Left to itself, the library
 * closes the channel later or never, or the error ends the process.
 */
export function failOnFault(
  connection: ChannelModel,
  channels: Iterable<Channel>,
  fail: (error: Error) => void,
): void {
  const tell = (error: unknown) => fail(faultOf(error));
  onConnectionFault(connection, tell);
  for (const channel of channels) channel.on('handler-error', tell);
}

/** The line about an error that was thrown where nothing should throw. */
export function faultOf(error: unknown): NotConnected {
  return new NotConnected(`the connection is given up over a fault: ${messageOf(error)}`, { cause: error });
}

/** The life of a session on this connection: it ends with the connection, with one of its channels, or over a fault. */
export function lifeOf(connection: ChannelModel, channels: ReadonlySet<Channel>): SessionLife {
  const life = new SessionLife(() => {
    // Tells the broker as long as it listens.
    connection.close().catch(() => {});
    letGo(connection);
  });
  const fail = (error: Error) => life.fail(error);
  for (const channel of channels) {
    channel.on('error', fail);
    channel.on('close', () => {
      if (!life.stopping) fail(new NotConnected('the channel was closed'));
    });
  }
  connection.on('error', (error) => life.end(error));
  connection.on('close', (error) => life.end(error));
  failOnFault(connection, channels, fail);
  return life;
}

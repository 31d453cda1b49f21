import type { Channel, ChannelModel } from 'amqplib';
import { messageOf, NotConnected } from '../../core/errors.ts';
import { onConnectionFault } from './frames.ts';

/**
 * Ends with an error of ours over whatever a listener or a callback of ours throws within the library: left to the library, it closes
 * a channel later or never, or ends the process.
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

/** What is said of something thrown where nothing should be. */
export function faultOf(error: unknown): NotConnected {
  return new NotConnected(`the connection is given up over a fault: ${messageOf(error)}`, { cause: error });
}

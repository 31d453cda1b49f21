import type { Channel, ChannelModel } from 'amqplib';
import { ConfigError, messageOf, NotConnected } from '../../core/errors.ts';

/** Reply codes of AMQP 0-9-1, section 1.2. */
export const replyCode = {
  accessRefused: 403,
  notFound: 404,
  preconditionFailed: 406,
  notAllowed: 530,
} as const;

/** A refused operation closes its channel, so each has one of its own. */
export async function onChannel(
  connection: ChannelModel,
  operation: (channel: Channel) => Promise<unknown>,
): Promise<void> {
  const channel = await connection.createChannel();
  // The rejection says the same; without a listener the event would end the process.
  channel.on('error', () => {});
  await operation(channel);
  await channel.close();
}

/** What the broker refuses for good is the configuration's fault; everything else may be better the next time. */
export function asConfigError(error: unknown, prefix = ''): unknown {
  const code = codeOfReply(error);
  const final = [replyCode.accessRefused, replyCode.preconditionFailed, replyCode.notAllowed];
  if (!final.some((one) => one === code)) return error;
  return new ConfigError(`${prefix}${messageOf(error)}`, { cause: error });
}

/** The error of an operation on a connection, by its consequence. */
export function classify(error: unknown): Error {
  const final = asConfigError(error);
  if (final instanceof ConfigError) return final;
  return error instanceof NotConnected ? error : new NotConnected(messageOf(error), { cause: error });
}

/** The reply code: the library has it on channel errors, and in the message of a handshake's. */
export function codeOfReply(error: unknown): number | undefined {
  if (!(error instanceof Error)) return undefined;
  if ('code' in error && typeof error.code === 'number') return error.code;
  const match = /\b([345]\d\d) \(/.exec(error.message);
  return match === null ? undefined : Number(match[1]);
}

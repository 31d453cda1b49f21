import { randomUUID } from 'node:crypto';
import type { Channel, ChannelModel } from 'amqplib';
import { ConfigError, messageOf } from '../../core/errors.ts';
import type { Logger } from '../../core/logger.ts';
import type { Reply } from '../../core/message/request.ts';
import { endWith } from './connect.ts';
import { asConfigError } from './connect-refusal.ts';
import type { Amqp091Options } from './options.ts';
import type { Outlet } from './publish.ts';
import { readMessages } from './read.ts';

/** RabbitMQ's direct reply-to: a name for the connection itself. It needs no queue, and no right to make one. */
const directReplyTo = 'amq.rabbitmq.reply-to';

/**
 * Receives replies on the outlet's channel, in oslo's form on a channel of its own. Resolves with their address, or with undefined if the
 * broker does not allow it: casts need no replies.
 */
export async function openReplies(
  connection: ChannelModel,
  outlet: Outlet,
  { codec }: Pick<Amqp091Options, 'codec'>,
  receive: (reply: Reply) => void,
  logger: Logger,
): Promise<string | undefined> {
  if (codec !== 'oslo') {
    await consume(connection, outlet.channel, directReplyTo, receive);
    return directReplyTo;
  }
  // The broker translates the direct name only in a message's properties, and oslo's form has it in the body. A refused operation closes
  // its channel, so this one has its own.
  const replies = await connection.createChannel();
  replies.on('error', () => {});
  try {
    const name = `reply_${randomUUID().replaceAll('-', '')}`;
    await replies.assertQueue(name, { exclusive: true, autoDelete: true, durable: false });
    await consume(connection, replies, name, receive);
    endWith(outlet.life, replies);
    return name;
  } catch (error) {
    if (!(asConfigError(error) instanceof ConfigError)) throw error;
    logger.warn(
      { code: 'no-replies', error: messageOf(error) },
      'may not make a queue for replies: no calls',
    );
    return undefined;
  }
}

/** An error that is thrown here ends the session (`endWith`). */
async function consume(
  connection: ChannelModel,
  channel: Channel,
  name: string,
  receive: (reply: Reply) => void,
): Promise<void> {
  readMessages(connection, channel, ({ body, correlationId }) => receive({ body, correlationId }));
  const ended = () => {
    throw new Error(`the broker cancelled the consumer of ${name}: no replies`);
  };
  await channel.consume(name, ended, { noAck: true });
}

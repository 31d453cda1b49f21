import { randomUUID } from 'node:crypto';
import type { Channel, ChannelModel, ConfirmChannel } from 'amqplib';
import { ConfigError, messageOf } from '../../core/errors.ts';
import type { Logger } from '../../core/logger.ts';
import type { Reply } from '../../core/message/request.ts';
import type { Amqp091Options } from './options.ts';
import { readMessages } from './read.ts';
import { asConfigError } from './replies.ts';

/** RabbitMQ's direct reply-to: a name that stands for the connection itself, without a queue or a right to make one. */
const directReplyTo = 'amq.rabbitmq.reply-to';

/** Where the replies of one connection come to, and by which channel. */
export interface ReplyQueue {
  readonly name: string;
  readonly channel: Channel;
}

/**
 * Receives replies on the channel given, or in oslo's form on one of its own. Undefined where the broker does not allow it: casts need
 * no replies.
 */
export async function openReplies(
  connection: ChannelModel,
  channel: ConfirmChannel,
  { codec }: Pick<Amqp091Options, 'codec'>,
  receive: (reply: Reply) => void,
  logger: Logger,
): Promise<ReplyQueue | undefined> {
  if (codec !== 'oslo') return consume(connection, channel, directReplyTo, receive);
  // The broker translates the direct name in a message's properties only; in oslo's form it stands in the body. A refused
  // operation closes its channel, so this has one of its own.
  const replies = await connection.createChannel();
  replies.on('error', () => {});
  try {
    const name = `reply_${randomUUID().replaceAll('-', '')}`;
    await replies.assertQueue(name, { exclusive: true, autoDelete: true, durable: false });
    return await consume(connection, replies, name, receive);
  } catch (error) {
    if (!(asConfigError(error) instanceof ConfigError)) throw error;
    logger.warn({ error: messageOf(error) }, 'may not make a queue for replies: no calls');
    return undefined;
  }
}

/** An error that is thrown here ends the session: see faults.ts. */
async function consume(
  connection: ChannelModel,
  channel: Channel,
  name: string,
  receive: (reply: Reply) => void,
): Promise<ReplyQueue> {
  readMessages(connection, channel, ({ body, correlationId }) => receive({ body, correlationId }));
  const ended = () => {
    throw new Error(`the broker cancelled the consumer of ${name}: no replies`);
  };
  await channel.consume(name, ended, { noAck: true });
  return { name, channel };
}

import type { Channel, ChannelModel } from 'amqplib';
import type { Logger } from '../../core/logger.ts';
import type { Amqp091Options } from './options.ts';
import { probeQueue, warnOfLosses } from './probe.ts';
import { asConfigError, codeOfReply, onChannel, replyCode } from './replies.ts';

/**
 * Makes sure of exchange, queue and binding. Asks passively first and creates only what is missing: declaring what exists with
 * other arguments is a 406, for us now or, were an exchange of oslo's made durable, for every guest later.
 */
export async function ensureTopology(
  connection: ChannelModel,
  options: Amqp091Options,
  logger: Logger,
): Promise<void> {
  const { exchange, queue, routingKey } = options;
  if (!(await exists(connection, (channel) => channel.checkExchange(exchange)))) {
    await declare(connection, `exchange ${exchange}`, (channel) =>
      channel.assertExchange(exchange, 'topic', { durable: options.exchangeDurability === 'durable' }),
    );
    logger.info({ exchange, durability: options.exchangeDurability }, 'made the exchange');
  }
  if (await exists(connection, (channel) => channel.checkQueue(queue))) {
    warnOfLosses(connection, await probeQueue(connection, options), queue, logger);
  } else {
    await declare(connection, `queue ${queue}`, (channel) =>
      channel.assertQueue(queue, {
        durable: options.queueDurability === 'durable',
        arguments: options.queueArguments,
      }),
    );
    logger.info({ queue, durability: options.queueDurability }, 'made the queue');
  }
  try {
    await onChannel(connection, (channel) => channel.bindQueue(queue, exchange, routingKey));
  } catch (error) {
    if (codeOfReply(error) !== replyCode.accessRefused) throw error;
    // Somebody who may has bound it, or nothing will ever arrive: only they can tell.
    logger.warn({ queue, exchange, routingKey }, 'may not bind the queue; make sure that it is bound');
  }
}

async function exists(
  connection: ChannelModel,
  check: (channel: Channel) => Promise<unknown>,
): Promise<boolean> {
  try {
    await onChannel(connection, check);
    return true;
  } catch (error) {
    if (codeOfReply(error) === replyCode.notFound) return false;
    throw asConfigError(error);
  }
}

async function declare(
  connection: ChannelModel,
  what: string,
  assert: (channel: Channel) => Promise<unknown>,
): Promise<void> {
  try {
    await onChannel(connection, assert);
  } catch (error) {
    throw asConfigError(error, `cannot make the ${what}: `);
  }
}

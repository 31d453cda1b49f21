import type { Channel, ChannelModel } from 'amqplib';
import { ConfigError } from '../../core/errors.ts';
import type { JsonObject } from '../../core/json.ts';
import type { Logger } from '../../core/logger.ts';
import { probeExchangeType, probeQueue, warnOfLosses } from './losses.ts';
import type { Amqp091Options } from './options.ts';
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
  if (options.queueArguments[queueType] === 'stream')
    throw new ConfigError(`queueArguments: ${queueType} may not be stream: ${noStream}`);
  if (await exists(connection, (channel) => channel.checkExchange(exchange))) {
    await checkExchangeType(connection, options, logger);
  } else {
    await declare(connection, `exchange ${exchange}`, (channel) =>
      channel.assertExchange(exchange, topic, { durable: options.exchangeDurability === 'durable' }),
    );
    logger.info({ exchange, durability: options.exchangeDurability }, 'made the exchange');
  }
  if (await exists(connection, (channel) => channel.checkQueue(queue))) {
    const traits = await probeQueue(connection, options);
    if (traits?.arguments[queueType] === 'stream')
      throw new ConfigError(
        `queue: ${queue} is a stream: ${noStream}; delete it on the broker or name another one, whose ${queueType} is classic or quorum`,
      );
    warnOfLosses(connection, traits, queue, logger);
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

const topic = 'topic';
const queueType = 'x-queue-type';
const noStream =
  'a replica would be given only what comes after it has connected, and each replica all of it';

/** An exchange of another type takes what guests publish and gives the queue nothing of it, or too much, without a word. */
async function checkExchangeType(
  connection: ChannelModel,
  options: Amqp091Options,
  logger: Logger,
): Promise<void> {
  const { exchange, routingKey } = options;
  const type = await probeExchangeType(connection, options, topic);
  if (type === undefined || type === topic) return;
  if (type === 'direct' && !/[*#]/.test(routingKey)) return;
  if (type.startsWith('x-')) {
    logger.warn({ exchange, type }, `a plugin's exchange: make sure that it routes by topic, ${routingKey}`);
    return;
  }
  throw new ConfigError(
    `exchange: ${exchange} is of type ${type}, not topic, and does not route by ${routingKey}: delete it on the broker, so that it is made anew, or name another one`,
  );
}

/**
 * Makes sure that a queue is bound to a topic and has its name, as oslo.messaging does before it publishes a notification
 * (oslo_messaging/_drivers/impl_rabbit.py, `_publish_and_creates_default_queue`).
 */
export async function ensureTopicQueue(
  connection: ChannelModel,
  { exchange, queueDurability, queueArguments }: Amqp091Options,
  name: string,
): Promise<void> {
  if (!(await exists(connection, (channel) => channel.checkQueue(name)))) {
    await declare(connection, `queue ${name}`, (channel) =>
      channel.assertQueue(name, {
        durable: queueDurability === 'durable',
        arguments: kindOnly(queueArguments),
      }),
    );
  }
  await onChannel(connection, (channel) => channel.bindQueue(name, exchange, name));
}

/** A listener declares the queue as well: quorum queues are oslo's business too, what else the operator has set is not. */
function kindOnly({ [queueType]: kind }: JsonObject): JsonObject {
  return kind === undefined ? {} : { [queueType]: kind };
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

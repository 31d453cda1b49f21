import type { Channel, ChannelModel } from 'amqplib';
import { ConfigError, messageOf, NotConnected } from '../../core/errors.ts';
import type { JsonObject } from '../../core/json.ts';
import type { Logger } from '../../core/logger.ts';
import type { Shortfall } from '../../core/transport/durability.ts';
import { asConfigError, codeOfReply, replyCode } from './connect-refusal.ts';
import { brokerOf, durabilityOf, type QueueTraits } from './durability.ts';
import { warnOfLosses } from './losses.ts';
import type { Amqp091Options } from './options.ts';
import { onChannel, probeExchangeType, probeQueue } from './topology-probe.ts';

/**
 * Checks or declares exchange, queue and binding. It declares passively first, and creates only missing objects. To declare an existing
 * object with other arguments is a 406. If we made an exchange of oslo's durable, every guest would get that error later.
 *
 * @returns what the queue tells of its durability.
 */
export async function ensureTopology(
  connection: ChannelModel,
  options: Amqp091Options,
  logger: Logger,
): Promise<ReadonlyArray<Shortfall>> {
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
  let traits: QueueTraits | undefined;
  if (await exists(connection, (channel) => channel.checkQueue(queue))) {
    traits = await checkQueue(connection, options, logger);
  } else {
    const made = { durable: options.queueDurability === 'durable', arguments: options.queueArguments };
    traits = made;
    await declare(connection, `queue ${queue}`, (channel) => channel.assertQueue(queue, made));
    logger.info({ queue, durability: options.queueDurability }, 'made the queue');
  }
  try {
    await onChannel(connection, (channel) => channel.bindQueue(queue, exchange, routingKey));
  } catch (error) {
    if (codeOfReply(error) !== replyCode.accessRefused) throw error;
    // If an operator with the right has bound the queue, messages arrive; otherwise none ever will. We cannot see which.
    logger.warn(
      { code: 'broker-topology', queue, exchange, routingKey },
      'may not bind the queue; make sure that it is bound',
    );
  }
  return durabilityOf(queue, traits, brokerOf(connection));
}

/** Checks an existing queue. Returns what could be learned of it. */
export async function checkQueue(
  connection: ChannelModel,
  options: Amqp091Options,
  logger: Logger,
): Promise<QueueTraits | undefined> {
  const { queue } = options;
  const traits = await probeQueue(connection, options);
  if (traits?.arguments[queueType] === 'stream')
    throw new ConfigError(
      `queue: ${queue} is a stream: ${noStream}; delete it on the broker or name another one, whose ${queueType} is classic or quorum`,
      { code: 'broker-topology' },
    );
  warnOfLosses(connection, traits?.arguments, queue, logger);
  return traits;
}

const topic = 'topic';
const queueType = 'x-queue-type';
const noStream =
  'a replica would get only messages that come after it has connected, and each replica all of them';

/** Refuses an exchange of another type. It would accept the guests' messages and give the queue none of them, or too many. */
export async function checkExchangeType(
  connection: ChannelModel,
  options: Amqp091Options,
  logger: Logger,
): Promise<void> {
  const { exchange, routingKey } = options;
  const type = await probeExchangeType(connection, options, topic);
  if (type === undefined || type === topic) return;
  if (type === 'direct' && !/[*#]/.test(routingKey)) return;
  if (type.startsWith('x-')) {
    logger.warn(
      { code: 'broker-topology', exchange, type },
      `a plugin's exchange: make sure that it routes by topic, ${routingKey}`,
    );
    return;
  }
  throw new ConfigError(
    `exchange: ${exchange} is of type ${type}, not topic, and does not route by ${routingKey}: delete it on the broker, so that it is made anew, or name another one`,
    { code: 'broker-topology' },
  );
}

/**
 * Why the broker has cancelled the consumer of a queue. It does so if the queue is deleted, and RabbitMQ from 4.3 on also if a consumer
 * keeps messages for too long. Never rejects.
 */
export async function whyCancelled(connection: ChannelModel, queue: string): Promise<NotConnected> {
  const what = `the broker cancelled the consumer of queue ${queue}`;
  try {
    return new NotConnected(
      (await exists(connection, (channel) => channel.checkQueue(queue)))
        ? `${what}, which is still there: if messages were held for long, set park.after below consumer_timeout`
        : `${what}, which was deleted`,
    );
  } catch (error) {
    return new NotConnected(`${what}: was it deleted? ${messageOf(error)}`, { cause: error });
  }
}

/**
 * Makes sure that a queue with the name of a topic exists and is bound to it. oslo.messaging does so before it publishes a notification
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

/** A listener declares the queue too, so the arguments have to agree. Like oslo, this sets the type of the queue and no other argument. */
function kindOnly({ [queueType]: kind }: JsonObject): JsonObject {
  return kind === undefined ? {} : { [queueType]: kind };
}

export async function exists(
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

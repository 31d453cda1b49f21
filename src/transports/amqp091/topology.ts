import type { Channel, ChannelModel } from 'amqplib';
import { ConfigError, messageOf } from '../../core/errors.ts';
import type { JsonObject } from '../../core/json.ts';
import type { Logger } from '../../core/logger.ts';
import type { Amqp091Options } from './options.ts';

/** Reply codes of AMQP 0-9-1, section 1.2. */
const replyCode = {
  accessRefused: 403,
  notFound: 404,
  preconditionFailed: 406,
  notAllowed: 530,
} as const;

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
  if (!(await exists(connection, (channel) => channel.checkQueue(queue)))) {
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

/**
 * Makes sure that a queue is bound to a topic and has its name, as oslo.messaging does before it publishes a notification
 * (oslo_messaging/_drivers/impl_rabbit.py, `_publish_and_creates_default_queue`).
 */
export async function ensureTopicQueue(
  connection: ChannelModel,
  { exchange, queueDurability, queueArguments }: Amqp091Options,
  topic: string,
): Promise<void> {
  if (!(await exists(connection, (channel) => channel.checkQueue(topic)))) {
    await declare(connection, `queue ${topic}`, (channel) =>
      channel.assertQueue(topic, {
        durable: queueDurability === 'durable',
        arguments: kindOnly(queueArguments),
      }),
    );
  }
  await onChannel(connection, (channel) => channel.bindQueue(topic, exchange, topic));
}

/** A listener declares the queue as well: quorum queues are oslo's business too, what else the operator has set is not. */
function kindOnly({ 'x-queue-type': kind }: JsonObject): JsonObject {
  return kind === undefined ? {} : { 'x-queue-type': kind };
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

/** A refused operation closes its channel, so each has one of its own. */
async function onChannel(
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

/** The reply code: the library has it on channel errors, and in the message of a handshake's. */
function codeOfReply(error: unknown): number | undefined {
  if (!(error instanceof Error)) return undefined;
  if ('code' in error && typeof error.code === 'number') return error.code;
  const match = /\b([345]\d\d) \(/.exec(error.message);
  return match === null ? undefined : Number(match[1]);
}

import type { ChannelModel } from 'amqplib';
import { messageOf } from '../../core/errors.ts';
import type { JsonObject } from '../../core/json.ts';
import type { Logger } from '../../core/logger.ts';
import type { Amqp091Options } from './options.ts';
import { codeOfReply, onChannel, replyCode } from './replies.ts';

/** What a queue that exists was made with, as far as could be learned. */
export interface QueueTraits {
  durable: boolean;
  arguments: JsonObject;
}

/** More differences than there are arguments; each takes one try. */
const tries = 16;

/** RabbitMQ's words for it; other brokers have others, and then nothing is learned. */
const inequivalent = /inequivalent arg '([^']+)' for queue .* received .* but current is (.*?)"?$/;

/** Of an argument that queues of the type that was learned do not have. */
const invalid = /invalid arg '([^']+)' for queue /;

/**
 * Learns what an existing queue was made with. AMQP 0-9-1 has no way to read it, but declaring a queue that exists changes nothing,
 * and RabbitMQ answers a declaration that differs with the first difference and what is true instead. Undefined where it
 * cannot be learned: we may not declare it, it is exclusive, or the broker is another.
 */
export async function probeQueue(
  connection: ChannelModel,
  { queue, queueDurability, queueArguments }: Amqp091Options,
): Promise<QueueTraits | undefined> {
  const traits: QueueTraits = { durable: queueDurability === 'durable', arguments: { ...queueArguments } };
  for (let count = 0; count < tries; count += 1) {
    try {
      await onChannel(connection, (channel) => channel.assertQueue(queue, traits));
      return traits;
    } catch (error) {
      if (codeOfReply(error) === replyCode.preconditionFailed && learn(traits, messageOf(error))) continue;
      // Refused (403, 405) it is not known. A connection that has gone is found by what comes next.
      return undefined;
    }
  }
  return undefined;
}

/** Takes one difference over. False if it is not understood. */
function learn(traits: QueueTraits, message: string): boolean {
  const [, notOfItsType] = invalid.exec(message) ?? [];
  if (notOfItsType !== undefined && notOfItsType in traits.arguments) {
    delete traits.arguments[notOfItsType];
    return true;
  }
  const [, name, current = ''] = inequivalent.exec(message) ?? [];
  const value = /^(?:the value )?'([^']*)'(?: of type '([^']*)')?$/.exec(current);
  if (name === 'durable') {
    traits.durable = value?.[1] === 'true';
  } else if (name?.startsWith('x-') && current.startsWith('none')) {
    delete traits.arguments[name];
  } else if (name?.startsWith('x-') && value !== null) {
    const [, text = '', type = name === 'x-queue-type' ? 'longstr' : ''] = value;
    traits.arguments[name] = type === 'longstr' ? text : type === 'bool' ? text === 'true' : Number(text);
  } else {
    return false;
  }
  return true;
}

/** RabbitMQ compares the type first. */
const anotherType = /inequivalent arg 'type' for exchange .* but current is '([^']*)'/;

/**
 * Learns the type of an existing exchange in the same way. Undefined where it cannot be learned.
 *
 * @param expected the type that it should have.
 */
export async function probeExchangeType(
  connection: ChannelModel,
  { exchange, exchangeDurability }: Pick<Amqp091Options, 'exchange' | 'exchangeDurability'>,
  expected: string,
): Promise<string | undefined> {
  try {
    await onChannel(connection, (channel) =>
      channel.assertExchange(exchange, expected, { durable: exchangeDurability === 'durable' }),
    );
    return expected;
  } catch (error) {
    if (codeOfReply(error) !== replyCode.preconditionFailed) return undefined;
    const [, type = expected] = anotherType.exec(messageOf(error)) ?? [];
    return type;
  }
}

/** Logs what may lose messages that the broker has confirmed. What a policy of the broker's adds is not seen here. */
export function warnOfLosses(
  connection: ChannelModel,
  traits: QueueTraits | undefined,
  queue: string,
  logger: Logger,
): void {
  if (traits === undefined) return;
  const { version } = connection.connection.serverProperties;
  for (const loss of lossesOf(traits.arguments, Number.parseInt(String(version), 10)))
    logger.warn({ queue, arguments: traits.arguments }, `the queue can lose messages: ${loss}`);
}

/** @param major of RabbitMQ: from 4 on, quorum queues have a delivery limit unless they are told otherwise. */
export function lossesOf(queue: JsonObject, major: number): string[] {
  const losses: string[] = [];
  for (const name of ['x-max-length', 'x-max-length-bytes'])
    if (name in queue && !String(queue['x-overflow']).startsWith('reject-publish'))
      losses.push(`${name} drops the oldest: take it away, or set x-overflow: reject-publish`);
  if ('x-message-ttl' in queue) losses.push('x-message-ttl drops what has waited so long: take it away');
  if ('x-expires' in queue) losses.push('x-expires deletes it while no replica runs: take it away');
  const limited = 'x-delivery-limit' in queue || (queue['x-queue-type'] === 'quorum' && major >= 4);
  if (limited && Number(queue['x-delivery-limit']) !== -1 && !('x-dead-letter-exchange' in queue))
    losses.push('it has a delivery limit and no x-dead-letter-exchange: every restart counts as a delivery');
  return losses;
}

import type { Channel, ChannelModel } from 'amqplib';
import { messageOf } from '../../core/errors.ts';
import type { JsonObject } from '../../core/json.ts';
import { close } from './connect.ts';
import { codeOfReply, replyCode } from './connect-refusal.ts';
import type { QueueTraits } from './durability.ts';
import type { Amqp091Options } from './options.ts';

/** A refused operation closes its channel, so each has one of its own. */
export async function onChannel(
  connection: ChannelModel,
  operation: (channel: Channel) => Promise<unknown>,
): Promise<void> {
  const channel = await connection.createChannel();
  // The rejection says the same. Without a listener the event would end the process.
  channel.on('error', () => {});
  await operation(channel);
  await close(channel);
}

/** More than a queue has arguments. Each difference takes one try. */
const tries = 16;

/** RabbitMQ's words for a difference. Other brokers have others, and then nothing is learned. */
const inequivalent = /inequivalent arg '([^']+)' for queue .* received .* but current is (.*?)"?$/;

/** RabbitMQ's words for an argument that queues of that type do not have. */
const invalid = /invalid arg '([^']+)' for queue /;

/**
 * Learns the arguments of an existing queue. AMQP 0-9-1 has no way to read them. But a declaration changes no existing queue, and
 * RabbitMQ answers a different declaration with the first difference and the true value. Undefined if they cannot be learned: we may
 * not declare the queue, it is exclusive, or the broker is another one.
 */
export async function probeQueue(
  connection: ChannelModel,
  { queue, queueDurability, queueArguments }: Amqp091Options,
): Promise<QueueTraits | undefined> {
  const traits = { durable: queueDurability === 'durable', arguments: { ...queueArguments } };
  for (let count = 0; count < tries; count += 1) {
    try {
      await onChannel(connection, (channel) => channel.assertQueue(queue, traits));
      return traits;
    } catch (error) {
      if (codeOfReply(error) === replyCode.preconditionFailed && learn(traits, messageOf(error))) continue;
      // If it is refused (403, 405), the arguments stay unknown. The next operation notices a lost connection.
      return undefined;
    }
  }
  return undefined;
}

/** Takes over one difference. False if it was not understood. */
function learn(traits: { durable: boolean; arguments: JsonObject }, message: string): boolean {
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
 * Learns the type of an existing exchange in the same way. Undefined if it cannot be learned.
 *
 * @param expected the right type.
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

import type { ChannelModel } from 'amqplib';
import type { Logger } from '../../core/logger.ts';
import type { Inspection } from '../../core/transport/contract.ts';
import { brokerOf, durabilityOf } from './durability.ts';
import type { Amqp091Options } from './options.ts';
import { checkExchangeType, checkQueue, exists } from './topology.ts';

/** Looks at exchange and queue, and makes nothing. A declaration changes nothing that exists. */
export async function inspect(
  connection: ChannelModel,
  options: Amqp091Options,
  logger: Logger,
): Promise<Inspection> {
  const { exchange, queue } = options;
  const missing: string[] = [];
  let durability: Inspection['durability'];
  if (await exists(connection, (channel) => channel.checkExchange(exchange)))
    await checkExchangeType(connection, options, logger);
  else missing.push(`exchange ${exchange}`);
  if (await exists(connection, (channel) => channel.checkQueue(queue)))
    durability = durabilityOf(queue, await checkQueue(connection, options, logger), brokerOf(connection));
  else missing.push(`queue ${queue}`);
  return { missing, durability };
}

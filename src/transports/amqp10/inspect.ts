import type { Logger } from '../../core/logger.ts';
import type { Inspection } from '../../core/transport/contract.ts';
import type { Amqp10Connection } from './connect.ts';
import { durabilityOf } from './durability.ts';
import { warnOfForgery } from './losses.ts';
import type { Amqp10Options } from './options.ts';
import { attach, queueAddress } from './topology.ts';

/** Transfers that the broker may send. It sends none, since the link gets no credit. */
const window = 1;

/** Attaches the receiving link, which shows that the queue is there and may be read. Without credit no message comes. */
export async function inspect(
  connection: Amqp10Connection,
  options: Amqp10Options,
  logger: Logger,
): Promise<Inspection> {
  const { broker } = connection;
  warnOfForgery(broker, options, logger);
  const address = queueAddress(broker, options.address);
  const nothing = () => {};
  const source = { address, capabilities: ['queue'] };
  const taker = { take: nothing, aborted: nothing };
  const { receiver, attached } = attach(connection, `the link to ${address}`, source, window, taker);
  return { missing: [], durability: durabilityOf(await attached, receiver.source?.durable, broker) };
}

import type { ChannelModel } from 'amqplib';
import type { JsonObject } from '../../core/json.ts';
import type { Logger } from '../../core/logger.ts';

/** Warns of settings that may lose confirmed messages. It cannot see the broker's policies. */
export function warnOfLosses(
  connection: ChannelModel,
  queueArguments: JsonObject | undefined,
  queue: string,
  logger: Logger,
): void {
  if (queueArguments === undefined) return;
  const { version } = connection.connection.serverProperties;
  for (const loss of lossesOf(queueArguments, Number.parseInt(String(version), 10)))
    logger.warn(
      { code: 'broker-settings', queue, arguments: queueArguments },
      `the queue can lose messages: ${loss}`,
    );
}

/** @param major of RabbitMQ. From 4 on, quorum queues have a delivery limit by default. */
export function lossesOf(queue: JsonObject, major: number): string[] {
  const losses: string[] = [];
  for (const name of ['x-max-length', 'x-max-length-bytes'])
    if (name in queue && !String(queue['x-overflow']).startsWith('reject-publish'))
      losses.push(`${name} drops the oldest: take it away, or set x-overflow: reject-publish`);
  if ('x-message-ttl' in queue)
    losses.push('x-message-ttl drops messages that have waited so long: remove it');
  if ('x-expires' in queue) losses.push('x-expires deletes it while no replica runs: take it away');
  const limited = 'x-delivery-limit' in queue || (queue['x-queue-type'] === 'quorum' && major >= 4);
  if (limited && Number(queue['x-delivery-limit']) !== -1 && !('x-dead-letter-exchange' in queue))
    losses.push('it has a delivery limit and no x-dead-letter-exchange: every restart counts as a delivery');
  return losses;
}

import { JetStreamApiCodes } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import type { TransportSetup } from '../../core/config/transport-kind.ts';
import type { Inspection } from '../../core/transport/contract.ts';
import { durabilityOf } from './durability.ts';
import { checkConsumer, checkStream, type Warn, warnOfSettled } from './losses.ts';
import type { NatsOptions } from './options.ts';
import { foundOr, openManager, warnOfCoreNats } from './topology.ts';

/** Looks at stream and consumer, and makes nothing. */
export async function inspect(
  connection: NatsConnection,
  options: NatsOptions,
  { share, logger }: Pick<TransportSetup, 'share' | 'logger'>,
): Promise<Inspection> {
  if (!options.jetstream) {
    warnOfCoreNats(logger);
    return { missing: [], durability: undefined };
  }
  const manager = await openManager(connection, options);
  const warn: Warn = (fields, text) => logger.warn({ code: 'broker-settings', ...fields }, text);
  const { stream, consumer } = options;
  const kept = await foundOr(JetStreamApiCodes.StreamNotFound, () => manager.streams.info(stream));
  if (kept === undefined)
    return { missing: [`stream ${stream}`, `consumer ${consumer}`], durability: undefined };
  const found = await foundOr(JetStreamApiCodes.ConsumerNotFound, () =>
    manager.consumers.info(stream, consumer),
  );
  checkStream(kept, options, found !== undefined, warn);
  if (found !== undefined) {
    checkConsumer(found, kept.config.subjects ?? [], options, share.messages, warn);
    warnOfSettled({ consumer: found, stream: await manager.streams.info(stream) }, stream, warn);
  }
  const durability = durabilityOf(kept.config, connection.info?.version ?? '');
  return { missing: found === undefined ? [`consumer ${consumer}`] : [], durability };
}

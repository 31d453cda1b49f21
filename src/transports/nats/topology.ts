import {
  AckPolicy,
  type ConsumerInfo,
  DeliverPolicy,
  DiscardPolicy,
  JetStreamApiCodes,
  JetStreamApiError,
  type JetStreamManager,
  jetstreamManager,
  ReplayPolicy,
  RetentionPolicy,
  StorageType,
  type StreamInfo,
} from '@nats-io/jetstream';
import { type NatsConnection, nanos } from '@nats-io/transport-node';
import { ConfigError, messageOf } from '../../core/errors.ts';
import type { Logger } from '../../core/logger.ts';
import type { Shortfall } from '../../core/transport/durability.ts';
import { durabilityOf } from './durability.ts';
import {
  type ConsumerTerms,
  checkConsumer,
  checkStream,
  type Warn,
  warnOfServer,
  warnOfSettled,
} from './losses.ts';
import type { NatsOptions } from './options.ts';

/**
 * Makes a missing stream and a missing consumer, and checks existing ones. Throws ConfigError if a setting would lose messages, and warns
 * of settings that may be intended.
 *
 * @param bound messages that this replica may hold.
 */
export async function ensureTopology(
  connection: NatsConnection,
  options: NatsOptions,
  bound: number,
  logger: Logger,
): Promise<{ readonly terms: ConsumerTerms; readonly durability: ReadonlyArray<Shortfall> }> {
  const manager = await openManager(connection, options);
  const warn: Warn = (fields, text) => logger.warn({ code: 'broker-settings', ...fields }, text);
  const { stream, consumer } = options;
  const kept = await ensureStream(manager, options, logger);
  const found = await foundOr(JetStreamApiCodes.ConsumerNotFound, () =>
    manager.consumers.info(stream, consumer),
  );
  checkStream(kept, options, found !== undefined, warn);
  const info = found ?? (await makeConsumer(manager, kept.config, options, bound, logger));
  const terms = checkConsumer(info, kept.config.subjects ?? [], options, bound, warn);
  // Read after the consumer: a message that is acknowledged in between has gone from the stream.
  if (found !== undefined)
    warnOfSettled({ consumer: found, stream: await manager.streams.info(stream) }, stream, warn);
  const version = connection.info?.version ?? '';
  warnOfServer(kept.config, version, warn);
  return { terms, durability: durabilityOf(kept.config, version) };
}

/** Warns that nothing keeps the messages. */
export function warnOfCoreNats(logger: Logger): void {
  logger.warn(
    { code: 'broker-settings' },
    'jetstream is off: messages are delivered AT MOST ONCE. Messages are LOST that come while no replica is connected, while the database is away, or while a replica stops',
  );
}

export async function openManager(
  connection: NatsConnection,
  options: NatsOptions,
): Promise<JetStreamManager> {
  const settings = { timeout: options.connectTimeout };
  try {
    return await jetstreamManager(connection, settings);
  } catch (error) {
    // The server does not answer, or the account has no right to JetStream.
    const disabled =
      error instanceof JetStreamApiError ? error.status === 503 && error.code !== 10_008 : false;
    if (disabled || (error instanceof Error && error.name === 'JetStreamNotEnabled'))
      throw new ConfigError(
        `JetStream is not enabled on this server or for this account: enable it, or set jetstream to false (${messageOf(error)})`,
        { code: 'broker-settings', cause: error },
      );
    throw error;
  }
}

async function ensureStream(
  manager: JetStreamManager,
  { stream, subject, streamReplicas }: NatsOptions,
  logger: Logger,
): Promise<StreamInfo> {
  const found = await foundOr(JetStreamApiCodes.StreamNotFound, () => manager.streams.info(stream));
  if (found !== undefined) return found;
  const made = await make(`stream ${stream}`, () =>
    manager.streams.add({
      name: stream,
      subjects: [subject],
      // A settled message is removed. A full stream refuses new messages; it does not drop old ones.
      retention: RetentionPolicy.Workqueue,
      discard: DiscardPolicy.New,
      storage: StorageType.File,
      num_replicas: streamReplicas,
    }),
  );
  logger.info({ stream, subject }, 'made the stream');
  return made;
}

/**
 * If two replicas start at once, both make it. The second one's error counts as success.
 *
 * A consumer of all subjects has no filter. With one, nats-server before 2.9.15 may count the pending messages anew for each message that it
 * delivers, after anybody has asked for the consumer's state: 4,000 pending messages made 100 messages a second.
 */
async function makeConsumer(
  manager: JetStreamManager,
  { subjects = [], sources = [] }: StreamInfo['config'],
  { stream, subject, consumer, ackWait, expectedReplicas }: NatsOptions,
  bound: number,
  logger: Logger,
): Promise<ConsumerInfo> {
  const takesAll = sources.length === 0 && subjects.length === 1 && subjects[0] === subject;
  const made = await make(`consumer ${consumer} of stream ${stream}`, () =>
    manager.consumers.add(stream, {
      durable_name: consumer,
      ...(!takesAll && { filter_subject: subject }),
      deliver_policy: DeliverPolicy.All,
      replay_policy: ReplayPolicy.Instant,
      ack_policy: AckPolicy.Explicit,
      ack_wait: nanos(ackWait),
      max_deliver: -1,
      max_ack_pending: bound * expectedReplicas,
    }),
  );
  logger.info({ stream, consumer, maxAckPending: bound * expectedReplicas }, 'made the consumer');
  return made;
}

export async function foundOr<T>(code: number, find: () => Promise<T>): Promise<T | undefined> {
  try {
    return await find();
  } catch (error) {
    if (error instanceof JetStreamApiError && error.code === code) return undefined;
    throw error;
  }
}

async function make<T>(what: string, add: () => Promise<T>): Promise<T> {
  try {
    return await add();
  } catch (error) {
    if (error instanceof JetStreamApiError && error.status < 500)
      throw new ConfigError(`cannot make the ${what}: ${error.message}`, {
        code: 'broker-refuses',
        cause: error,
      });
    throw error;
  }
}

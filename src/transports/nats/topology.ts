import {
  AckPolicy,
  type ConsumerConfig,
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
  type StreamConfig,
} from '@nats-io/jetstream';
import { millis, type NatsConnection, nanos } from '@nats-io/transport-node';
import { ConfigError, messageOf } from '../../core/errors.ts';
import type { Logger } from '../../core/logger.ts';
import type { NatsOptions } from './options.ts';
import { covers } from './publisher.ts';

/** What the consumer, as it is, asks of who pulls from it. */
export interface ConsumerTerms {
  /** Milliseconds until an unsettled message is delivered again. */
  readonly ackWait: number;
  /** Of one pull at most; Infinity where the consumer sets no limit. */
  readonly maxBatch: number;
  readonly maxBytes: number;
  /** Milliseconds that a pull may wait at most. */
  readonly maxExpires: number;
}

/** Below it, telling the broker in time that a message is still held becomes a matter of luck. In milliseconds. */
const leastAckWait = 1000;

/**
 * Makes sure of stream and consumer: makes what is missing, checks what is there. What would lose messages is refused with a
 * ConfigError, or warned about where it may be meant.
 *
 * @param bound messages that this replica may hold.
 */
export async function ensureTopology(
  connection: NatsConnection,
  options: NatsOptions,
  bound: number,
  logger: Logger,
): Promise<ConsumerTerms> {
  const manager = await openManager(connection, options);
  checkStream(await ensureStream(manager, options, logger), options, logger);
  const info = await ensureConsumer(manager, options, bound, logger);
  return termsOf(info.config, options, bound, logger);
}

async function openManager(connection: NatsConnection, options: NatsOptions): Promise<JetStreamManager> {
  const settings = { timeout: options.connectTimeout };
  try {
    return await jetstreamManager(connection, settings);
  } catch (error) {
    // Nobody answers, or the account is not allowed to.
    const disabled =
      error instanceof JetStreamApiError ? error.status === 503 && error.code !== 10_008 : false;
    if (disabled || (error instanceof Error && error.name === 'JetStreamNotEnabled'))
      throw new ConfigError(
        `JetStream is not enabled on this server or for this account: enable it, or set jetstream to false (${messageOf(error)})`,
        { cause: error },
      );
    throw error;
  }
}

async function ensureStream(
  manager: JetStreamManager,
  { stream, subject, streamReplicas }: NatsOptions,
  logger: Logger,
): Promise<StreamConfig> {
  const found = await foundOr(JetStreamApiCodes.StreamNotFound, () => manager.streams.info(stream));
  if (found !== undefined) return found.config;
  const made = await make(`stream ${stream}`, () =>
    manager.streams.add({
      name: stream,
      subjects: [subject],
      // A message goes once it is settled. Full, the stream refuses new ones rather than to forget old ones.
      retention: RetentionPolicy.Workqueue,
      discard: DiscardPolicy.New,
      storage: StorageType.File,
      num_replicas: streamReplicas,
    }),
  );
  logger.info({ stream, subject }, 'made the stream');
  return made.config;
}

/** Two replicas that start at once both make it; the second is answered as if it had. */
async function ensureConsumer(
  manager: JetStreamManager,
  { stream, subject, consumer, ackWait, expectedReplicas }: NatsOptions,
  bound: number,
  logger: Logger,
): Promise<ConsumerInfo> {
  const found = await foundOr(JetStreamApiCodes.ConsumerNotFound, () =>
    manager.consumers.info(stream, consumer),
  );
  if (found !== undefined) return found;
  const made = await make(`consumer ${consumer} of stream ${stream}`, () =>
    manager.consumers.add(stream, {
      durable_name: consumer,
      filter_subject: subject,
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

async function foundOr<T>(code: number, find: () => Promise<T>): Promise<T | undefined> {
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
      throw new ConfigError(`cannot make the ${what}: ${error.message}`, { cause: error });
    throw error;
  }
}

function checkStream(config: StreamConfig, { stream, subject }: NatsOptions, logger: Logger): void {
  if (!(config.subjects ?? []).some((pattern) => covers(pattern, subject)))
    throw new ConfigError(`stream ${stream} does not keep ${subject}: add it to the stream's subjects`);
  const warn = (setting: string, value: unknown, right: string) =>
    logger.warn(
      { stream, [setting]: value },
      `the stream loses messages by its ${setting}: set it to ${right}`,
    );
  if (config.max_age > 0) warn('max_age', `${millis(config.max_age)} ms`, '0');
  if (config.storage === StorageType.Memory) warn('storage', config.storage, 'file');
  if (config.no_ack === true) warn('no_ack', true, 'false');
  if (config.discard === DiscardPolicy.New) return;
  for (const limit of ['max_msgs', 'max_bytes', 'max_msgs_per_subject'] as const)
    if (config[limit] > 0) warn(limit, config[limit], '-1, or discard to new');
}

function termsOf(
  config: ConsumerConfig,
  { stream, subject, consumer, ackWait, expectedReplicas }: NatsOptions,
  bound: number,
  logger: Logger,
): ConsumerTerms {
  const refuse = (why: string, right: string) => {
    throw new ConfigError(`consumer ${consumer} of stream ${stream} ${why}: make it with ${right}`);
  };
  if (config.deliver_subject) refuse('is a push consumer', 'no deliver_subject');
  if (config.ack_policy !== AckPolicy.Explicit)
    refuse(`has ack_policy ${config.ack_policy}, which loses messages`, 'explicit');
  if (config.max_deliver !== undefined && config.max_deliver > 0)
    refuse(`gives a message up after max_deliver ${config.max_deliver}`, '-1');
  if (config.headers_only === true) refuse('delivers headers only', 'headers_only false');
  const filters = config.filter_subjects ?? (config.filter_subject ? [config.filter_subject] : []);
  if (filters.length > 0 && !filters.some((filter) => covers(filter, subject)))
    refuse(`is for ${filters.join(', ')}, not for ${subject}`, `filter_subject ${subject}`);
  // A backoff stands in place of ack_wait; its first entry counts for the first delivery.
  const waits = config.backoff?.length ? config.backoff : [config.ack_wait ?? nanos(30_000)];
  const actual = millis(Math.min(...waits));
  if (actual < leastAckWait) refuse(`has an ack_wait of ${actual} ms`, `${leastAckWait} ms at least`);

  const warn = (fields: object, text: string) => logger.warn({ stream, consumer, ...fields }, text);
  if (actual !== ackWait) warn({ ackWait: actual }, `the consumer has another ack_wait than ${ackWait} ms`);
  const pending = config.max_ack_pending ?? -1;
  if (pending > 0 && pending < bound * expectedReplicas)
    warn(
      { maxAckPending: pending },
      `the consumer's max_ack_pending starves replicas: set it to ${bound * expectedReplicas}`,
    );
  if (config.inactive_threshold)
    warn({}, 'the consumer is deleted when nobody is there for its inactive_threshold: set it to 0');
  return {
    ackWait: actual,
    maxBatch: config.max_batch || Number.POSITIVE_INFINITY,
    maxBytes: config.max_bytes || Number.POSITIVE_INFINITY,
    maxExpires: config.max_expires ? millis(config.max_expires) : Number.POSITIVE_INFINITY,
  };
}

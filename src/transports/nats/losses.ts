/** Checks an existing stream and consumer. Throws ConfigError if messages would be lost, and warns of settings that may be intended. */
import {
  AckPolicy,
  type ConsumerConfig,
  type ConsumerInfo,
  DeliverPolicy,
  DiscardPolicy,
  RetentionPolicy,
  StorageType,
  type StreamConfig,
  type StreamInfo,
} from '@nats-io/jetstream';
import { millis, nanos } from '@nats-io/transport-node';
import { ConfigError } from '../../core/errors.ts';
import { covers, natsWildcards } from '../../core/transport/names.ts';
import type { NatsOptions } from './options.ts';

/** The consumer's terms for pulls. */
export interface ConsumerTerms {
  /** Milliseconds until an unsettled message is delivered again. */
  readonly ackWait: number;
  /** The most messages of one pull; Infinity if the consumer sets no limit. */
  readonly maxBatch: number;
  readonly maxBytes: number;
  /** The longest wait of a pull, in milliseconds. */
  readonly maxExpires: number;
  /** The subjects that may be delivered, as patterns. */
  readonly subjects: ReadonlyArray<string>;
}

/** Writes one line for the operator. */
export type Warn = (fields: object, text: string) => void;

type Kept = 'subjects' | 'mirror' | 'sources' | 'retention' | 'storage' | 'discard' | 'no_ack';
type Limits = 'max_age' | 'max_msgs' | 'max_bytes' | 'max_msgs_per_subject';

export interface StreamFacts {
  readonly config: Pick<StreamConfig, Kept | Limits>;
  /** The stream and its mirrors. */
  readonly alternates?: ReadonlyArray<{ readonly name: string }>;
}

export type ConsumerFacts = Pick<ConsumerInfo, 'config'> & Partial<Pick<ConsumerInfo, 'paused'>>;

/** The least ack_wait, in milliseconds. With a shorter one a replica could not reliably report in time that it still holds a message. */
const leastAckWait = 1000;

/** @param hasConsumer whether our consumer exists. */
export function checkStream(
  { config, alternates = [] }: StreamFacts,
  { stream, subject }: Pick<NatsOptions, 'stream' | 'subject'>,
  hasConsumer: boolean,
  warn: Warn,
): void {
  if (config.mirror !== undefined)
    throw new ConfigError(
      `stream: ${stream} is a mirror of ${config.mirror.name}, where senders publish and from where nothing is removed by it: set stream to ${config.mirror.name}`,
      { code: 'broker-topology' },
    );
  const sources = (config.sources ?? []).map(({ name }) => name);
  const keeps = (config.subjects ?? []).some((pattern) => covers(pattern, subject, natsWildcards));
  // A message from another stream keeps the subject that it was published to.
  if (!keeps && sources.length === 0)
    throw new ConfigError(`stream ${stream} does not keep ${subject}: add it to the stream's subjects`, {
      code: 'broker-topology',
    });
  if (sources.length > 0)
    warn(
      { stream, sources },
      `the stream is filled from others too, where messages stay when they are settled here: name one of them as stream, or set their max_age`,
    );
  const mirrors = alternates.map(({ name }) => name).filter((name) => name !== stream);
  if (mirrors.length > 0 && config.retention !== RetentionPolicy.Limits)
    warn(
      { stream, mirrors },
      `the stream is mirrored, and by its retention (${config.retention}) a mirror may miss messages or keep them back: delete the mirrors`,
    );
  if (config.retention === RetentionPolicy.Interest)
    warn(
      { stream, retention: config.retention },
      hasConsumer
        ? 'the stream keeps nothing while it has no consumer, by its retention: never delete the consumer, or make the stream with workqueue'
        : 'the stream has kept nothing so far, by its retention, for it had no consumer: THE MESSAGES PUBLISHED BEFORE ARE LOST. The consumer is made now: never delete it, or make the stream with workqueue',
    );
  const loses = (setting: string, value: unknown, right: string) =>
    warn({ stream, [setting]: value }, `the stream loses messages by its ${setting}: set it to ${right}`);
  if (config.max_age > 0) loses('max_age', `${millis(config.max_age)} ms`, '0');
  if (config.storage === StorageType.Memory) loses('storage', config.storage, 'file');
  if (config.no_ack === true) loses('no_ack', true, 'false');
  if (config.discard === DiscardPolicy.New) return;
  for (const limit of ['max_msgs', 'max_bytes', 'max_msgs_per_subject'] as const)
    if (config[limit] > 0) loses(limit, config[limit], '-1, or discard to new');
}

/** @param kept the subjects that the stream keeps. */
export function checkConsumer(
  { config, paused }: ConsumerFacts,
  kept: ReadonlyArray<string>,
  options: Pick<NatsOptions, 'stream' | 'subject' | 'consumer' | 'ackWait' | 'expectedReplicas'>,
  bound: number,
  warn: Warn,
): ConsumerTerms {
  const { stream, subject, consumer, ackWait, expectedReplicas } = options;
  const refuse = (why: string, right: string) => {
    throw new ConfigError(`consumer ${consumer} of stream ${stream} ${why}: make it with ${right}`, {
      code: 'broker-topology',
    });
  };
  if (config.deliver_subject) refuse('is a push consumer', 'no deliver_subject');
  if (config.ack_policy !== AckPolicy.Explicit)
    refuse(`has ack_policy ${config.ack_policy}, which loses messages`, 'explicit');
  if (config.max_deliver !== undefined && config.max_deliver > 0)
    refuse(`gives a message up after max_deliver ${config.max_deliver}`, '-1');
  if (config.headers_only === true) refuse('delivers headers only', 'headers_only false');
  if (config.priority_groups?.length)
    refuse(
      `has priority_groups ${config.priority_groups.join(', ')}, which let some replicas starve`,
      'no priority_groups',
    );
  const filters = filtersOf(config);
  if (filters.length > 0 && !filters.some((filter) => covers(filter, subject, natsWildcards)))
    refuse(`is for ${filters.join(', ')}, not for ${subject}`, `filter_subject ${subject}`);
  // A backoff replaces ack_wait. Its first entry applies to the first delivery.
  const waits = config.backoff?.length ? config.backoff : [config.ack_wait ?? nanos(30_000)];
  const actual = millis(Math.min(...waits));
  if (actual < leastAckWait) refuse(`has an ack_wait of ${actual} ms`, `${leastAckWait} ms at least`);

  const tell = (fields: object, text: string) => warn({ stream, consumer, ...fields }, text);
  if (actual !== ackWait) tell({ ackWait: actual }, `the consumer has another ack_wait than ${ackWait} ms`);
  const pending = config.max_ack_pending ?? -1;
  if (pending > 0 && pending < bound * expectedReplicas)
    tell(
      { maxAckPending: pending },
      `the consumer's max_ack_pending starves replicas: set it to ${bound * expectedReplicas}`,
    );
  if (config.inactive_threshold)
    tell({}, 'the consumer is deleted when nobody is there for its inactive_threshold: set it to 0');
  if (config.deliver_policy !== DeliverPolicy.All)
    tell(
      { deliverPolicy: config.deliver_policy },
      'the consumer skips the messages that were in the stream before it, by its deliver_policy: make it with all',
    );
  if (config.mem_storage === true)
    tell(
      {},
      'the consumer forgets settlements when its server ends, by its mem_storage: make it with mem_storage false',
    );
  const others = kept.filter((pattern) => !covers(subject, pattern, natsWildcards));
  if (filters.length === 0 && others.length > 0)
    tell(
      { subjects: others },
      `the consumer has no filter_subject, so it delivers these subjects too: make it with filter_subject ${subject}`,
    );
  if (paused === true)
    tell(
      { pauseUntil: config.pause_until },
      `the consumer is paused, and nothing arrives until then: nats consumer resume ${stream} ${consumer}`,
    );
  return {
    ackWait: actual,
    maxBatch: config.max_batch || Number.POSITIVE_INFINITY,
    maxBytes: config.max_bytes || Number.POSITIVE_INFINITY,
    maxExpires: config.max_expires ? millis(config.max_expires) : Number.POSITIVE_INFINITY,
    subjects: [subject, ...(filters.length > 0 ? filters : kept)],
  };
}

function filtersOf(config: ConsumerConfig): string[] {
  return config.filter_subjects ?? (config.filter_subject ? [config.filter_subject] : []);
}

/** A stream and its consumer, read at about the same time, the consumer first. */
export interface Remains {
  readonly consumer: Pick<ConsumerInfo, 'config' | 'num_pending' | 'num_ack_pending'> & {
    readonly ack_floor: { readonly stream_seq: number };
  };
  readonly stream: {
    readonly config: Pick<StreamConfig, 'retention' | 'subjects'>;
    readonly state: Pick<StreamInfo['state'], 'messages' | 'first_seq' | 'consumer_count'>;
  };
}

/**
 * Counts settled messages that a stream keeps and delivers to nobody. nats-server 2.9 leaves them behind if it is killed after it has
 * recorded an acknowledgement and before it has removed the message. Their numbers are at most the consumer's ack floor. Returns 0 if
 * settled messages may stay: because of the stream's retention, or for another consumer.
 */
export function countSettled({ consumer, stream }: Remains): number {
  const { config, state } = stream;
  const floor = consumer.ack_floor.stream_seq;
  if (config.retention === RetentionPolicy.Limits || state.consumer_count !== 1) return 0;
  const filters = filtersOf(consumer.config);
  const takesAll = (config.subjects ?? []).every((kept) =>
    filters.some((filter) => covers(filter, kept, natsWildcards)),
  );
  if (filters.length > 0 && !takesAll) return 0;
  if (state.messages === 0 || state.first_seq > floor) return 0;
  const unsettled = consumer.num_pending + consumer.num_ack_pending;
  return Math.min(Math.max(state.messages - unsettled, 1), floor - state.first_seq + 1);
}

/** The first version in which a replicated consumer forgets what is settled (nats-server, pull request 3980). */
const forgets = [2, 9, 16] as const;

/**
 * Warns of a stream with several replicas on an older server. The state of its consumer keeps what is settled. After a change of the
 * leader these count as unsettled, and while they are more than max_ack_pending the server delivers nothing new.
 *
 * @param version of the server, such as `2.9.10`.
 */
export function warnOfServer(
  { name, num_replicas: replicas }: Pick<StreamConfig, 'name' | 'num_replicas'>,
  version: string,
  warn: Warn,
): void {
  const parts = /^(\d+)\.(\d+)\.(\d+)/.exec(version)?.slice(1).map(Number);
  if (replicas < 2 || parts === undefined) return;
  const at = forgets.findIndex((part, index) => part !== parts[index]);
  if (at === -1 || (parts[at] ?? 0) > (forgets[at] ?? 0)) return;
  warn(
    { stream: name, version },
    `the server may deliver nothing for long after another node leads the consumer: use nats-server ${forgets.join('.')} or later`,
  );
}

/** One line about them, with the command that removes them. */
export function warnOfSettled(remains: Remains, stream: string, warn: Warn): void {
  const messages = countSettled(remains);
  const next = remains.consumer.ack_floor.stream_seq + 1;
  if (messages > 0)
    warn(
      { stream, messages, below: next },
      `the server has kept messages that are settled, as nats-server 2.9 may when it is killed, and delivers them to nobody: remove them with: nats stream purge ${stream} --seq=${next}`,
    );
}

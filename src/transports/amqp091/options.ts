import { milliseconds, positiveIntegerUpTo, urlsOf } from '../../core/config/formats.ts';
import { commonSchema } from '../../core/config/transport-kind.ts';
import { ConfigError } from '../../core/errors.ts';
import type { JsonObject } from '../../core/json.ts';
import { oneOf, type Section, type ValuesOf } from '../../core/options.ts';

/** Its type lets `queueArguments` have any JSON object. */
const noArguments: JsonObject = {};

type Durability = 'auto' | 'durable' | 'transient';

export const amqp091Schema = {
  ...commonSchema('amqp091', ['none', 'subject', 'user-id', 'trove']),
  url: {
    doc: 'The address of the broker, with credentials and virtual host: `amqp://user:password@host:5672/vhost`. The replica tries several addresses in turn: separate them by commas. If an address has no credentials, virtual host or query, those of the first address apply. Required.',
    default: '',
    format: urlsOf('amqp:', 'amqps:'),
    sensitive: true,
  },
  exchange: {
    doc: "The topic exchange that guests publish to. Empty: `conductor`, or with codec `oslo` Trove's `control_exchange`, `trove`.",
    default: '',
  },
  exchangeDurability: {
    doc: 'The durability of an exchange that the replica makes. `auto`: `transient` with codec `oslo`, because its guests declare it so; otherwise `durable`.',
    ...oneOf('auto', 'durable', 'transient'),
  },
  queue: {
    doc: "The queue that replicas compete on. Empty: `conductor`, or with codec `oslo` Trove's `conductor_queue`, `trove-conductor`.",
    default: '',
  },
  queueDurability: {
    doc: 'The durability of a queue that the replica makes. `auto`: as for the exchange.',
    ...oneOf('auto', 'durable', 'transient'),
  },
  queueArguments: {
    doc: 'The arguments of a queue that the replica makes, such as `{ x-queue-type: quorum }`.',
    default: noArguments,
  },
  routingKey: {
    doc: "The routing key of the queue's binding. Empty: `conductor.*`, or with codec `oslo` the queue's name.",
    default: '',
  },
  heartbeat: {
    doc: 'Seconds between heartbeats. The replica ends a connection that is silent for two of them.',
    default: 10,
    format: positiveIntegerUpTo(65_535),
  },
  connectTimeout: {
    doc: 'Milliseconds until an attempt to connect fails.',
    default: 10_000,
    format: milliseconds,
  },
} satisfies Section;

export type Amqp091Options = ValuesOf<typeof amqp091Schema>;

/** Fills in the names and durabilities that depend on the codec. */
export function withCodecDefaults(options: Amqp091Options): Amqp091Options {
  const oslo = options.codec === 'oslo';
  const queue = options.queue || (oslo ? 'trove-conductor' : 'conductor');
  const durability = (given: Durability) => (given === 'auto' ? (oslo ? 'transient' : 'durable') : given);
  return {
    ...options,
    queue,
    exchange: options.exchange || (oslo ? 'trove' : 'conductor'),
    routingKey: options.routingKey || (oslo ? queue : 'conductor.*'),
    exchangeDurability: durability(options.exchangeDurability),
    queueDurability: durability(options.queueDurability),
  };
}

/** The last word of the routing key is the sender. A constant word proves nothing. Throws ConfigError. */
export function checkSubject(options: Amqp091Options, prefix: string): void {
  const { auth, routingKey } = withCodecDefaults(options);
  if (auth.mode !== 'subject' || /(^|\.)[*#]$/.test(routingKey)) return;
  throw new ConfigError(
    `${prefix}routingKey: ${routingKey} does not end with the sender, which auth.mode subject takes from there: end it with .*, as conductor.* does`,
  );
}

/** Throws ConfigError if the routing key does not give each sender one of its own. */
export function checkSenderKey({ routingKey }: Amqp091Options): void {
  if (!/[*#]/.test(routingKey.replace(/[*#]$/, ''))) return;
  throw new ConfigError(
    `routingKey: ${routingKey} has a wildcard before its end, so a sender has no routing key: use one at the end only`,
  );
}

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
    doc: 'Where the broker is, with credentials and virtual host: `amqp://user:password@host:5672/vhost`. Several, with commas between them, are tried in turn. A part that an address lacks (credentials, virtual host, query) is that of the first. Required.',
    default: '',
    format: urlsOf('amqp:', 'amqps:'),
    sensitive: true,
  },
  exchange: {
    doc: "The topic exchange that guests publish to. Empty: `conductor`, or with codec `oslo` Trove's `control_exchange`, `trove`.",
    default: '',
  },
  exchangeDurability: {
    doc: 'What the exchange is made as if it does not exist. `auto`: `transient` with codec `oslo`, whose guests declare it so themselves; else `durable`.',
    ...oneOf('auto', 'durable', 'transient'),
  },
  queue: {
    doc: "The queue that replicas compete on. Empty: `conductor`, or with codec `oslo` Trove's `conductor_queue`, `trove-conductor`.",
    default: '',
  },
  queueDurability: {
    doc: 'What the queue is made as if it does not exist; `auto` as for the exchange.',
    ...oneOf('auto', 'durable', 'transient'),
  },
  queueArguments: {
    doc: 'Arguments for a queue that does not exist yet, such as `{ x-queue-type: quorum }`.',
    default: noArguments,
  },
  routingKey: {
    doc: "What the queue is bound with. Empty: `conductor.*`, or with codec `oslo` the queue's name.",
    default: '',
  },
  heartbeat: {
    doc: 'Seconds between heartbeats; a connection that is silent for two of them is given up.',
    default: 10,
    format: positiveIntegerUpTo(65_535),
  },
  connectTimeout: {
    doc: 'Milliseconds until an attempt to connect counts as failed.',
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

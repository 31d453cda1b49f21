import { milliseconds, positiveIntegerUpTo, urlsOf } from '../../core/config/formats.ts';
import { commonSchema } from '../../core/config/transport-kind.ts';
import { oneOf, type Section, type ValuesOf } from '../../core/options.ts';

export const amqp10Schema = {
  ...commonSchema('amqp10', ['none', 'user-id']),
  url: {
    doc: 'Where the broker is, with credentials and, on RabbitMQ, the virtual host: `amqp://user:password@host:5672/vhost`. Several, with commas between them, are tried in turn. A part that an address lacks (credentials, virtual host) is that of the first. Required.',
    default: '',
    format: urlsOf('amqp:', 'amqps:'),
    sensitive: true,
  },
  virtualHost: {
    doc: "RabbitMQ's virtual host. Empty: the path of `url`; where that is empty too, the broker's default.",
    default: '',
  },
  sasl: {
    doc: 'How to sign in. `auto`: `plain` with a user or password, else `external` with `tls.cert`, else `anonymous`.',
    ...oneOf('auto', 'plain', 'external', 'anonymous'),
  },
  address: {
    doc: "The queue that replicas compete on; it has to exist. A name is written as the broker wants it (RabbitMQ 3: `/amq/queue/<name>`, RabbitMQ 4: `/queues/<name>`, others as it is); what begins with a slash is taken as it is. Empty: `conductor`, or with codec `oslo` Trove's `conductor_queue`, `trove-conductor`.",
    default: '',
  },
  target: {
    doc: 'Where senders send to; `{sender}` stands for the sender, as in `/exchange/conductor/conductor.{sender}`. Empty: `address`.',
    default: '',
  },
  replyAddress: {
    doc: 'Where a sender has replies sent to; `{id}` stands for a name of its own. Empty: a queue that the broker makes for the connection (a dynamic source); on RabbitMQ 3, which has none, `/queue/conductor-reply.{id}`, which stays until the broker is restarted or a policy lets it expire.',
    default: '',
  },
  heartbeat: {
    doc: 'Seconds between signs of life that the broker is asked for; a connection that is silent for two of them is given up.',
    default: 10,
    // Milliseconds on the wire, and twice as many in a timer.
    format: positiveIntegerUpTo(1_000_000),
  },
  connectTimeout: {
    doc: 'Milliseconds until an attempt to connect counts as failed.',
    default: 10_000,
    format: milliseconds,
  },
} satisfies Section;

export type Amqp10Options = ValuesOf<typeof amqp10Schema>;

/** Fills in the names that depend on the codec. */
export function withCodecDefaults(options: Amqp10Options): Amqp10Options {
  const address = options.address || (options.codec === 'oslo' ? 'trove-conductor' : 'conductor');
  return { ...options, address, target: options.target || address };
}

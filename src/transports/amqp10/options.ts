import { milliseconds, positiveIntegerUpTo, urlsOf } from '../../core/config/formats.ts';
import { commonSchema } from '../../core/config/transport-kind.ts';
import { oneOf, type Section, type ValuesOf } from '../../core/options.ts';

export const amqp10Schema = {
  ...commonSchema('amqp10', ['none', 'user-id']),
  url: {
    doc: 'The address of the broker, with credentials and, on RabbitMQ, the virtual host: `amqp://user:password@host:5672/vhost`. The replica tries several addresses in turn: separate them by commas. If an address has no credentials or virtual host, those of the first address apply. Required.',
    default: '',
    format: urlsOf('amqp:', 'amqps:'),
    sensitive: true,
  },
  virtualHost: {
    doc: "RabbitMQ's virtual host. Empty: the path of `url`. If the path is empty too: the broker's default.",
    default: '',
  },
  sasl: {
    doc: 'The SASL mechanism. `auto`: `plain` if there is a user or a password, otherwise `external` if there is a `tls.cert`, otherwise `anonymous`.',
    ...oneOf('auto', 'plain', 'external', 'anonymous'),
  },
  address: {
    doc: "The queue that replicas compete on. It must exist. The replica writes a name in the broker's form: `/amq/queue/<name>` for RabbitMQ 3, `/queues/<name>` for RabbitMQ 4, the name itself for others. It does not change an address that begins with a slash. Empty: `conductor`, or with codec `oslo` Trove's `conductor_queue`, `trove-conductor`.",
    default: '',
  },
  target: {
    doc: 'The address that the client library sends to. `{sender}` stands for the sender, as in `/exchange/conductor/conductor.{sender}`. Empty: `address`.',
    default: '',
  },
  replyAddress: {
    doc: 'The address at which the client library receives replies. `{id}` stands for a unique name. Empty: a queue that the broker makes for the connection (a dynamic source). RabbitMQ 3 has no such queues, so there it is `/queue/conductor-reply.{id}`. That queue stays until the broker restarts or a policy expires it.',
    default: '',
  },
  heartbeat: {
    doc: 'Seconds within which the broker must send something. The replica ends a connection that is silent for twice this time.',
    default: 10,
    // Milliseconds on the wire, and twice as many in a timer.
    format: positiveIntegerUpTo(1_000_000),
  },
  connectTimeout: {
    doc: 'Milliseconds until an attempt to connect fails.',
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

import {
  milliseconds,
  nonEmptyText,
  positiveInteger,
  positiveIntegerUpTo,
  urlsOf,
} from '../../core/config/formats.ts';
import { commonSchema } from '../../core/config/transport-kind.ts';
import { ConfigError } from '../../core/errors.ts';
import type { Section, ValuesOf } from '../../core/options.ts';

/** The longest ack_wait, in milliseconds. A day is far beyond any use. */
const longestAckWait = 86_400_000;

export const natsSchema = {
  ...commonSchema('nats', ['none', 'subject']),
  url: {
    doc: 'The address of the server, with credentials: `nats://user:password@host:4222`, or `tls:` for TLS. Separate the servers of one cluster by commas. If an address has no user and password, those of the first address apply. Required.',
    default: '',
    format: urlsOf('nats:', 'tls:'),
    sensitive: true,
  },
  token: { doc: 'A token, in place of user and password.', default: '', sensitive: true },
  tokenFile: { doc: 'A file whose first line is the token.', default: '' },
  nkeySeed: {
    doc: 'The seed of a user nkey, `SU...`, in place of user and password.',
    default: '',
    sensitive: true,
  },
  nkeySeedFile: { doc: 'A file whose first line is the seed.', default: '' },
  credentialsFile: { doc: 'A credentials file of `nsc` (`.creds`), with JWT and seed.', default: '' },
  subject: {
    doc: 'The subject that guests publish to. Its last token is the sender, `*`. No other token may be a wildcard.',
    default: 'conductor.*',
    format: subject,
  },
  jetstream: {
    doc: '`true`: consume from a stream, which keeps messages until they are settled. `false`: core NATS, which delivers each message at most once, and loses messages while no replica takes them.',
    default: true,
  },
  stream: {
    doc: 'The stream that keeps the messages. If it does not exist, the replica makes it, on disk and without limits.',
    default: 'CONDUCTOR',
    format: name,
  },
  streamReplicas: {
    doc: 'The number of servers of a cluster that keep a stream that the replica makes.',
    default: 1,
    format: positiveIntegerUpTo(5),
  },
  consumer: {
    doc: 'The durable pull consumer that replicas share. If it does not exist, the replica makes it.',
    default: 'conductor',
    format: name,
  },
  ackWait: {
    doc: 'Milliseconds after which the server delivers the messages of a replica that is killed, frozen or cut off to another replica. A replica that lives extends this time while it holds messages.',
    default: 10_000,
    format: ackWait,
  },
  expectedReplicas: {
    doc: 'The most replicas that run at once. If the replica makes the consumer, its `max_ack_pending` is this number times the share of one replica.',
    default: 4,
    format: positiveInteger,
  },
  inboxPrefix: {
    doc: "The beginning of the subjects at which answers of the server and of conductors arrive. A user's rules can bind it, such as `_INBOX.i1`. Otherwise each user can listen to the answers of others.",
    default: '_INBOX',
    format: inbox,
  },
  queueGroup: {
    doc: 'The queue group of the replicas, with `jetstream: false`.',
    default: 'conductors',
    format: name,
  },
  pingInterval: {
    doc: 'Seconds between pings. The replica ends a connection if a ping has no answer when the next ping is due.',
    default: 10,
    format: positiveIntegerUpTo(86_400),
  },
  connectTimeout: {
    doc: 'Milliseconds until an attempt to connect fails.',
    default: 10_000,
    format: milliseconds,
  },
} satisfies Section;

export type NatsOptions = ValuesOf<typeof natsSchema>;

/** Names of streams, consumers and queue groups are tokens of subjects. */
function name(value: unknown): void {
  nonEmptyText(value);
  if (typeof value === 'string' && /[\s.*>/\\]/.test(value))
    throw new Error('must be a name without spaces, dots, slashes, * and >');
}

/** Tokens without wildcards, with dots between them. */
function inbox(value: unknown): void {
  nonEmptyText(value);
  if (typeof value === 'string' && !/^[^\s.*>]+(\.[^\s.*>]+)*$/.test(value))
    throw new Error('must be tokens without * and >, with a dot between each, such as _INBOX.i1');
}

/** A sender replaces the last token with its name. It would publish another wildcard as it is. */
function subject(value: unknown): void {
  nonEmptyText(value);
  const tokens = typeof value === 'string' ? value.split('.') : [''];
  if (tokens.some((token) => token === '' || /\s/.test(token)))
    throw new Error('must be tokens with a dot between each, such as conductor.*');
  const isWild = (token: string) => /[*>]/.test(token);
  const last = tokens.at(-1) ?? '';
  if (tokens.slice(0, -1).some(isWild) || (isWild(last) && last.length > 1))
    throw new Error('must have * or > as its whole last token only, such as conductor.*');
}

/** The last token is the sender. A constant token proves nothing; below `>` a guest may use names of its own. Throws ConfigError. */
export function checkSender({ auth, subject }: NatsOptions, prefix: string): void {
  if (auth.mode !== 'subject' || subject.split('.').at(-1) === '*') return;
  throw new ConfigError(
    `${prefix}subject: ${subject} does not end with the sender, which auth.mode subject takes from there: end it with .*, as conductor.* does`,
  );
}

/** A timer uses a sixth of it, so it must not be too short. */
function ackWait(value: unknown): void {
  if (!Number.isInteger(value) || Number(value) < 1000 || Number(value) > longestAckWait)
    throw new Error(`must be a whole number from 1000 to ${longestAckWait}`);
}

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
    doc: 'Where the broker is, with credentials: `nats://user:password@host:4222`, or `tls:` for TLS. Several servers of one cluster are separated by commas. An address without a user and a password takes those of the first. Required.',
    default: '',
    format: urlsOf('nats:', 'tls:'),
    sensitive: true,
  },
  token: { doc: 'A token to sign in with, instead of user and password.', default: '', sensitive: true },
  tokenFile: { doc: 'A file whose first line is the token.', default: '' },
  nkeySeed: {
    doc: 'The seed of an nkey of the user, `SU...`, to sign in with.',
    default: '',
    sensitive: true,
  },
  nkeySeedFile: { doc: 'A file whose first line is the seed.', default: '' },
  credentialsFile: { doc: 'A file with JWT and seed, as `nsc` writes it (`.creds`).', default: '' },
  subject: {
    doc: 'The subject that guests publish to; its last token is the sender, `*`. There may be no other wildcard.',
    default: 'conductor.*',
    format: subject,
  },
  jetstream: {
    doc: 'Consume from a stream, which keeps messages until they are settled. Off: core NATS, which delivers each message at most once, and loses what nobody is there to take.',
    default: true,
  },
  stream: {
    doc: 'The stream that keeps the messages; it is made if it does not exist, on disk and without limits.',
    default: 'CONDUCTOR',
    format: name,
  },
  streamReplicas: {
    doc: 'On how many servers of a cluster a stream is kept that does not exist yet.',
    default: 1,
    format: positiveIntegerUpTo(5),
  },
  consumer: {
    doc: 'The durable pull consumer that replicas share; it is made if it does not exist.',
    default: 'conductor',
    format: name,
  },
  ackWait: {
    doc: 'Milliseconds after which the messages of a replica that has gone without a word are delivered to another one. What is held for longer by a replica that lives is not: it tells the broker in time.',
    default: 10_000,
    format: ackWait,
  },
  expectedReplicas: {
    doc: 'How many replicas may run at once: `max_ack_pending` of a consumer that does not exist yet is as many times the bound of one.',
    default: 4,
    format: positiveInteger,
  },
  queueGroup: {
    doc: 'Without JetStream: the queue group that replicas form.',
    default: 'conductors',
    format: name,
  },
  pingInterval: {
    doc: 'Seconds between pings; a connection that has not answered one by the time of the next but one is given up.',
    default: 10,
    format: positiveIntegerUpTo(86_400),
  },
  connectTimeout: {
    doc: 'Milliseconds until an attempt to connect counts as failed.',
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

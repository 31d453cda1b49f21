import { milliseconds, nonEmptyText, positiveIntegerUpTo, urlsOf } from '../../core/config/formats.ts';
import { commonSchema } from '../../core/config/transport-kind.ts';
import { ConfigError } from '../../core/errors.ts';
import { oneOf, type Section, type ValuesOf } from '../../core/options.ts';

export const mqttSchema = {
  ...commonSchema('mqtt', ['none', 'subject', 'trove']),
  url: {
    doc: 'Where the broker is, with credentials: `mqtt://user:password@host:1883`. Several nodes of one broker are separated by commas. An address without a user and a password takes those of the first. Required.',
    default: '',
    format: urlsOf('mqtt:', 'mqtts:', 'ws:', 'wss:'),
    sensitive: true,
  },
  version: { doc: 'The version of the protocol.', ...oneOf('5', '3.1.1') },
  topic: {
    doc: 'The topic that guests publish to; its last level is the sender.',
    default: 'conductor/+',
    format: nonEmptyText,
  },
  answerTopic: {
    doc: 'A topic filter: the answer to a call goes to no other topic, whatever the call asks for.',
    default: '#',
    format: nonEmptyText,
  },
  shared: {
    doc: 'Subscribe as one of a group, so that replicas compete. Off: for a broker without shared subscriptions, and one replica.',
    default: true,
  },
  group: { doc: 'The name of the shared subscription.', default: 'conductors', format: nonEmptyText },
  clientId: {
    doc: 'Known to the broker by it; no two connections may have the same. Empty: `conductor-`, the replica, the name of the transport.',
    default: '',
  },
  sessionExpiry: {
    doc: 'Seconds that the broker keeps the session of a replica that is away (version 5).',
    default: 86_400,
    format: positiveIntegerUpTo(0xffff_ffff),
  },
  keepSession: {
    doc: 'Keep the session when the replica is stopped, as it is kept when the replica is killed: the broker goes on queueing for it until it is back. Off, for a replica that does not come back: it unsubscribes, takes what the broker still has for it, and ends the session once that is known to be empty; what is published while no other replica is there is then lost.',
    default: true,
  },
  ackOrder: {
    doc: 'Whether messages may be acknowledged ahead of one that takes longer than a second, or that half of the bound waits behind. `strict`: never, as MQTT has it, for a broker that minds; a slow call then delays all that is behind it.',
    ...oneOf('relaxed', 'strict'),
  },
  keepalive: {
    doc: 'Seconds between pings; a connection that does not answer within half as long again is given up.',
    default: 10,
    format: positiveIntegerUpTo(65_535),
  },
  connectTimeout: {
    doc: 'Milliseconds until an attempt to connect counts as failed.',
    default: 10_000,
    format: milliseconds,
  },
} satisfies Section;

export type MqttOptions = ValuesOf<typeof mqttSchema>;

/** The last level of the topic is the sender. A constant level proves nothing. Throws ConfigError. */
export function checkSubject({ auth, topic }: MqttOptions, prefix: string): void {
  if (auth.mode !== 'subject' || /(^|\/)[+#]$/.test(topic)) return;
  throw new ConfigError(
    `${prefix}topic: ${topic} does not end with the sender, which auth.mode subject takes from there: end it with /+, as conductor/+ does`,
  );
}

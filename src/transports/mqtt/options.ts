import { milliseconds, nonEmptyText, positiveIntegerUpTo, urlsOf } from '../../core/config/formats.ts';
import { commonSchema } from '../../core/config/transport-kind.ts';
import { ConfigError } from '../../core/errors.ts';
import { oneOf, type Section, type ValuesOf } from '../../core/options.ts';

export const mqttSchema = {
  ...commonSchema('mqtt', ['none', 'subject', 'trove']),
  url: {
    doc: 'The address of the broker, with credentials: `mqtt://user:password@host:1883`. Separate the nodes of one broker by commas. If an address has no user and password, those of the first address apply. Required.',
    default: '',
    format: urlsOf('mqtt:', 'mqtts:', 'ws:', 'wss:'),
    sensitive: true,
  },
  version: { doc: 'The version of the protocol.', ...oneOf('5', '3.1.1') },
  topic: {
    doc: 'The topic that guests publish to. Its last level is the sender.',
    default: 'conductor/+',
    format: nonEmptyText,
  },
  answerTopic: {
    doc: 'A topic filter. The replica publishes answers only to topics that match it.',
    default: '#',
    format: nonEmptyText,
  },
  shared: {
    doc: '`true`: a shared subscription, so replicas compete. `false`: for a broker without shared subscriptions, and one replica.',
    default: true,
  },
  group: { doc: 'The name of the shared subscription.', default: 'conductors', format: nonEmptyText },
  clientId: {
    doc: 'The MQTT client identifier. It must be unique among all connections. Empty: `conductor-`, the replica, the name of the transport.',
    default: '',
  },
  sessionExpiry: {
    doc: 'How long the broker keeps the session of a replica that is away, in seconds (version 5).',
    default: 86_400,
    format: positiveIntegerUpTo(0xffff_ffff),
  },
  keepSession: {
    doc: '`true`: the session stays when the replica stops, and the broker goes on queueing for it. `false`: for a replica that does not come back. It unsubscribes, takes the messages that the broker still has for it, and ends the session when it knows that the session is empty. Then messages are lost if they are published while no other replica runs.',
    default: true,
  },
  ackOrder: {
    doc: '`relaxed`: if a message takes longer than a second, or half of the share waits behind it, the messages behind it are acknowledged first. `strict`: always in the order of arrival, as MQTT requires, for a broker that accepts no other order. Then a slow call delays all messages behind it.',
    ...oneOf('relaxed', 'strict'),
  },
  keepalive: {
    doc: 'Seconds between pings. The replica ends a connection if the broker does not answer a ping within half of this time.',
    default: 10,
    format: positiveIntegerUpTo(65_535),
  },
  connectTimeout: {
    doc: 'Milliseconds until an attempt to connect fails.',
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

/** Throws ConfigError if the topic does not give each sender one of its own. */
export function checkSenderTopic({ topic }: MqttOptions): void {
  if (!/[+#]/.test(topic.replace(/[+#]$/, ''))) return;
  throw new ConfigError(
    `topic: ${topic} has a wildcard before its last level, so a sender has no topic: use one at the end only`,
  );
}

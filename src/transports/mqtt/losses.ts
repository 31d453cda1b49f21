import type { IConnackPacket } from 'mqtt';
import { ConfigError } from '../../core/errors.ts';
import type { Logger } from '../../core/logger.ts';
import type { MqttOptions } from './options.ts';

/**
 * Reads from a CONNACK (MQTT 5, section 3.2.2.3) whether the broker can keep confirmed messages. Warns of settings that may lose messages.
 * A CONNACK does not tell all of them (docs/operating.md), and that of 3.1.1 tells none.
 *
 * @param bound how many messages may be in flight to the replica.
 * @throws ConfigError for settings that can never work.
 */
export function probe(
  { properties = {} }: IConnackPacket,
  options: MqttOptions,
  bound: number,
  logger: Logger,
): void {
  if (options.version !== '5') return;
  if (properties.maximumQoS === 0)
    throw new ConfigError('url: the broker takes messages at QoS 0 only, which may be lost without a word', {
      code: 'broker-settings',
    });
  if (options.shared && properties.sharedSubscriptionAvailable === false)
    throw new ConfigError(
      'shared: the broker has no shared subscriptions: set shared: false and run one replica',
      { code: 'broker-settings' },
    );
  if (/[+#]/.test(options.topic) && properties.wildcardSubscriptionAvailable === false)
    throw new ConfigError(`topic: the broker takes no wildcards, and ${options.topic} has one`, {
      code: 'broker-settings',
    });
  const { sessionExpiryInterval: kept, receiveMaximum } = properties;
  if (kept !== undefined && kept < options.sessionExpiry)
    logger.warn(
      { code: 'broker-settings', sessionExpiry: options.sessionExpiry, seconds: kept },
      'the broker keeps the session of a replica that has gone for less time than it was asked for',
    );
  // Mosquitto has one setting for both directions, and reports it for one of them.
  if (receiveMaximum !== undefined && receiveMaximum < bound)
    logger.warn(
      { code: 'broker-settings', receiveMaximum, bound },
      "the broker's bound of messages in flight is below ours, so the broker may drop confirmed messages: in Mosquitto set max_inflight_messages, and max_queued_messages 0",
    );
}

/** Warns of a broker that has lost our session, and so the messages in its queue. */
export function warnOfForgottenSession(
  { sessionPresent }: IConnackPacket,
  clientId: string,
  logger: Logger,
): void {
  if (!sessionPresent)
    logger.warn(
      { code: 'session-forgotten', clientId },
      'the broker has forgotten the session, and may have lost confirmed messages with it: make it keep sessions on disk (Mosquitto: persistence true) and for long enough (sessionExpiry)',
    );
}

/** The ends of the names that Kubernetes gives to pods outside of a StatefulSet, and Docker to containers. */
const passingName = /-[bcdfghjklmnpqrstvwxz2456789]{5}$|^[0-9a-f]{12}$/;

/** Warns of a name that the replica may not get again. Its session and the messages in it would then wait in vain. */
export function warnOfPassingName(
  name: string,
  { clientId, sessionExpiry }: Pick<MqttOptions, 'clientId' | 'sessionExpiry'>,
  logger: Logger,
): void {
  if (!passingName.test(name)) return;
  const key = clientId === '' ? 'replica' : 'clientId';
  logger.warn(
    { code: 'passing-name', [key]: name, sessionExpiry },
    `${key}: this looks like the name of a pod or a container, which changes at each start. Messages that the broker has queued for this replica would then wait until a peer takes them over (adopt.after). Set ${key} to a name that lasts, such as that of a pod of a StatefulSet`,
  );
}

import type { MqttClient } from 'mqtt';
import { defineKind, type TransportSetup } from '../../core/config/transport-kind.ts';
import { settledBy } from '../../core/deadline.ts';
import { ConfigError, messageOf, NotConnected } from '../../core/errors.ts';
import type { Deliver, Session, Transport } from '../../core/transport/contract.ts';
import { connected, createClient, maxReceiveMaximum } from './connection.ts';
import { checkSubject, type MqttOptions, mqttSchema } from './options.ts';
import { probe, warnOfForgottenSession, warnOfPassingName } from './probe.ts';
import { MqttSender } from './sender.ts';
import { MqttSession } from './session.ts';

/**
 * MQTT 5: retained messages come with the first subscription of a session only, not with each connection; and the flag stays, by which
 * the clearing of one is told from an empty message. 3.1.1 has a word for neither.
 */
const subscribeOptions = { qos: 1, rh: 1, rap: true } as const;

/** The connection has gone while the subscription was under way. */
class SubscriptionCut extends NotConnected {}

class MqttTransport implements Transport {
  readonly name: string;
  private readonly options: MqttOptions;
  private readonly context: TransportSetup;
  private readonly subscription: string;
  private readonly clientId: string;
  /** The broker has a session of ours from then on. */
  private subscribedBefore = false;

  constructor(options: MqttOptions, context: TransportSetup) {
    this.name = context.name;
    this.options = options;
    this.context = context;
    this.subscription = options.shared ? `$share/${options.group}/${options.topic}` : options.topic;
    this.clientId = options.clientId || `conductor-${context.replica}-${context.name}`;
    warnOfPassingName(options.clientId || context.replica, options, context.logger);
  }

  async connect(deliver: Deliver): Promise<Session> {
    const client = this.createClient(false);
    const session = new MqttSession(client, {
      options: this.options,
      subscription: this.subscription,
      deliver,
      discard: (deadline) => this.discardSession(deadline),
    });
    try {
      const connack = await connected(client);
      probe(connack, this.options, this.bound, this.context.logger);
      if (this.subscribedBefore) warnOfForgottenSession(connack, this.clientId, this.context.logger);
      await this.subscribe(client);
    } catch (error) {
      client.end(true);
      // The session knows better why its connection has gone than a subscription that was under way.
      throw error instanceof SubscriptionCut ? ((await session.closed) ?? error) : error;
    }
    this.subscribedBefore = true;
    return session;
  }

  private async subscribe(client: MqttClient): Promise<void> {
    let granted: number | undefined;
    try {
      const [grant] = await client.subscribeAsync(this.subscription, subscribeOptions);
      granted = grant?.qos;
    } catch (error) {
      if (!client.connected) throw new SubscriptionCut(messageOf(error), { cause: error });
      throw new ConfigError(
        `the broker refuses the subscription to ${this.subscription}: ${messageOf(error)}`,
      );
    }
    if (granted !== 1) {
      throw new ConfigError(
        `the broker grants the subscription to ${this.subscription} with QoS ${granted}, not 1`,
      );
    }
  }

  /** Connecting clean is the only way of 3.1.1 to end a session that the broker keeps. */
  private async discardSession(deadline: AbortSignal): Promise<void> {
    const client = this.createClient(true);
    try {
      await settledBy(connected(client), deadline);
      await settledBy(client.endAsync(), deadline);
    } finally {
      client.end(true);
    }
  }

  private get bound(): number {
    return Math.min(this.context.share.messages, maxReceiveMaximum);
  }

  private createClient(clean: boolean): MqttClient {
    const { options, clientId } = this;
    return createClient(options, {
      clientId,
      clean,
      ...(options.version === '5' && {
        properties: { receiveMaximum: this.bound, sessionExpiryInterval: options.sessionExpiry },
      }),
    });
  }
}

/** Any broker that speaks MQTT 5 or 3.1.1, at QoS 1. */
export const mqtt = defineKind(
  mqttSchema,
  (options, context) => new MqttTransport(options, context),
  (options, context) => new MqttSender(options, context),
  checkSubject,
);

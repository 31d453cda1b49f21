import type { MqttClient } from 'mqtt';
import { defineKind, type TransportContext } from '../../core/config/transport-kind.ts';
import type { Deliver, Session, Transport } from '../../core/contracts.ts';
import { settledBy } from '../../core/deadline.ts';
import { ConfigError, messageOf, NotConnected } from '../../core/errors.ts';
import { connected, createClient } from './connection.ts';
import { checkSubject, type MqttOptions, mqttSchema } from './options.ts';
import { probe } from './probe.ts';
import { MqttSender } from './sender.ts';
import { MqttSession } from './session.ts';

/** Two bytes on the wire (MQTT 5, section 3.1.2.11.3). */
const maxReceiveMaximum = 65_535;

class MqttTransport implements Transport {
  readonly name: string;
  private readonly options: MqttOptions;
  private readonly context: TransportContext;
  private readonly subscription: string;

  constructor(options: MqttOptions, context: TransportContext) {
    this.name = context.name;
    this.options = options;
    this.context = context;
    this.subscription = options.shared ? `$share/${options.group}/${options.topic}` : options.topic;
  }

  async connect(deliver: Deliver): Promise<Session> {
    const client = this.createClient(false);
    const session = new MqttSession(client, this.options, this.subscription, deliver, (deadline) =>
      this.discardSession(deadline),
    );
    try {
      probe(await connected(client), this.options, this.bound, this.context.logger);
      await this.subscribe(client);
      return session;
    } catch (error) {
      client.end(true);
      throw error;
    }
  }

  private async subscribe(client: MqttClient): Promise<void> {
    let granted: number | undefined;
    try {
      const [grant] = await client.subscribeAsync(this.subscription, { qos: 1 });
      granted = grant?.qos;
    } catch (error) {
      if (!client.connected) throw new NotConnected(messageOf(error), { cause: error });
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
    const { options, context } = this;
    return createClient(options, {
      clientId: options.clientId || `conductor-${context.replica}-${context.name}`,
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

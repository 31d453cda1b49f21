import mqtt, { type IClientOptions, type MqttClient } from 'mqtt';
import { defineKind, type TransportContext } from '../../core/config/transport-kind.ts';
import type { Deliver, Session, Transport } from '../../core/contracts.ts';
import { settledBy } from '../../core/deadline.ts';
import { ConfigError, codeOf, messageOf, NotConnected } from '../../core/errors.ts';
import { type MqttOptions, mqttSchema } from './options.ts';
import { MqttSender } from './sender.ts';
import { MqttSession } from './session.ts';

/** Two bytes on the wire (MQTT 5, section 3.1.2.11.3). */
const maxReceiveMaximum = 65_535;

/** CONNACK codes that trying again does not change: 3.1.1, section 3.2.2.3, and 5, section 3.2.2.2. */
const finalCodes: ReadonlySet<unknown> = new Set([1, 2, 4, 5, 0x84, 0x85, 0x86, 0x87, 0x8a, 0x8c]);

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
      await connected(client);
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

  private createClient(clean: boolean): MqttClient {
    const { options, context } = this;
    const settings: IClientOptions = {
      clientId: options.clientId || `conductor-${context.replica}-${context.name}`,
      clean,
      keepalive: options.keepalive,
      connectTimeout: options.connectTimeout,
      // The supervisor reconnects, with a new client; nothing of this one is to come back.
      reconnectPeriod: 0,
      resubscribe: false,
      manualConnect: true,
      ...(options.version === '5'
        ? {
            protocolVersion: 5,
            properties: {
              receiveMaximum: Math.min(context.share.messages, maxReceiveMaximum),
              sessionExpiryInterval: options.sessionExpiry,
            },
          }
        : { protocolVersion: 4 }),
    };
    const client = mqtt.connect(options.url, settings);
    // Errors come with the promises that are awaited or with the close; unheard, the event would end the process.
    client.on('error', () => {});
    return client;
  }
}

/** Connects; resolves at the CONNACK. */
function connected(client: MqttClient): Promise<void> {
  return new Promise((resolve, reject) => {
    let reason: unknown;
    client.once('connect', () => resolve());
    client.once('error', (error) => {
      reason = error;
      reject(classify(error));
    });
    client.once('close', () =>
      reject(classify(reason ?? new Error('the connection was closed before it was accepted'))),
    );
    client.connect();
  });
}

function classify(error: unknown): Error {
  const code: unknown = error instanceof Error && 'code' in error ? error.code : undefined;
  const message = codeOf(error) !== undefined && messageOf(error) === '' ? String(code) : messageOf(error);
  return finalCodes.has(code)
    ? new ConfigError(`the broker refuses the connection: ${message}`, { cause: error })
    : new NotConnected(message, { cause: error });
}

/** Any broker that speaks MQTT 5 or 3.1.1, at QoS 1. */
export const mqttKind = defineKind(
  mqttSchema,
  (options, context) => new MqttTransport(options, context),
  (options, context) => new MqttSender(options, context),
);

import { randomUUID } from 'node:crypto';
import mqtt, { type IClientPublishOptions, type IConnackPacket, type MqttClient, type Packet } from 'mqtt';
import { credentialsOf, tlsOptions } from '../../core/config/security.ts';
import type { SenderContext } from '../../core/config/transport-kind.ts';
import { settledBy } from '../../core/deadline.ts';
import { ConfigError, codeOf, messageOf, NotConnected, Undeliverable } from '../../core/errors.ts';
import type { OutgoingMessage, Reply, Sender, SenderSession } from '../../core/sending.ts';
import { Slots } from '../../core/slots.ts';
import type { MqttOptions } from './options.ts';

/** Packet ids have two bytes; MQTT 5, section 3.2.2.3.3, has the same as the default of the broker's receive maximum. */
const maxReceiveMaximum = 65_535;

/** PUBACK reason code: the broker took the message and threw it away (MQTT 5, section 3.4.2.1). */
const noMatchingSubscribers = 0x10;

/** CONNACK codes that trying again does not change: 3.1.1, section 3.2.2.3, and 5, section 3.2.2.2. */
const finalCodes: ReadonlySet<unknown> = new Set([1, 2, 4, 5, 0x84, 0x85, 0x86, 0x87, 0x8a, 0x8c]);

/** Publishes at QoS 1; the PUBACK says that the broker has it. */
export class MqttSender implements Sender {
  private readonly options: MqttOptions;
  private readonly context: SenderContext;

  /** Throws ConfigError if there is no one topic for each sender. */
  constructor(options: MqttOptions, context: SenderContext) {
    this.options = options;
    this.context = context;
    if (/[+#]/.test(options.topic.replace(/[+#]$/, '')))
      throw new ConfigError(
        `topic: ${options.topic} has a wildcard before its last level: what is sent has no address`,
      );
  }

  async connect(receive: (reply: Reply) => void): Promise<SenderSession> {
    // The option is the conductor's own. Two connections with one id would throw each other out, so each has a new one.
    const clientId = `conductor-client-${this.context.clientName}-${randomUUID().slice(0, 8)}`;
    const client = createClient(this.options, clientId);
    client.on('message', (_topic, body, { properties }) =>
      receive({ body, correlationId: properties?.correlationData?.toString('latin1') }),
    );
    try {
      const { properties } = await connected(client);
      const replyTo = await this.subscribe(client, `conductor-replies/${clientId}`);
      const slots = new Slots(properties?.receiveMaximum ?? maxReceiveMaximum);
      return new MqttSenderSession(client, this.options, replyTo, slots);
    } catch (error) {
      client.end(true);
      throw error;
    }
  }

  /** Undefined where the broker does not allow it, or has no way to say it: casts need no replies. */
  private async subscribe(client: MqttClient, topic: string): Promise<string | undefined> {
    if (this.options.version === '3.1.1') return undefined;
    try {
      await client.subscribeAsync(topic, { qos: 1 });
      return topic;
    } catch (error) {
      if (!client.connected) throw new NotConnected(messageOf(error), { cause: error });
      this.context.logger.warn({ topic, error: messageOf(error) }, 'may not subscribe to replies: no calls');
      return undefined;
    }
  }
}

class MqttSenderSession implements SenderSession {
  readonly replyTo: string | undefined;
  readonly closed: Promise<Error | undefined>;
  private readonly client: MqttClient;
  private readonly options: MqttOptions;
  /** The broker says how many may be under way; one more, and it disconnects. */
  private readonly slots: Slots;
  /** Packet ids of what the broker took and threw away. The library tells it with none of its promises. */
  private readonly thrownAway = new Set<number>();
  /** Not reactions to `closed`, which would gather there for as long as the session lives. */
  private readonly unconfirmed = new Set<(error: Error) => void>();
  private stopping = false;
  private open = true;

  constructor(client: MqttClient, options: MqttOptions, replyTo: string | undefined, slots: Slots) {
    this.client = client;
    this.options = options;
    this.replyTo = replyTo;
    this.slots = slots;
    let reason: Error | undefined;
    client.on('error', (error) => {
      reason = error;
    });
    client.on('disconnect', ({ reasonCode }) => {
      reason = new NotConnected(`the broker disconnected with reason code ${reasonCode}`);
    });
    client.on('packetreceive', (packet: Packet) => {
      if (packet.cmd === 'puback' && packet.reasonCode === noMatchingSubscribers)
        this.thrownAway.add(packet.messageId ?? 0);
    });
    this.closed = new Promise((resolve) => {
      client.on('close', () => {
        this.open = false;
        const gone = new NotConnected('the connection was closed before the broker had the message');
        for (const fail of this.unconfirmed) fail(gone);
        resolve(this.stopping ? undefined : (reason ?? new NotConnected('the connection was closed')));
      });
    });
  }

  async send({
    sender,
    body,
    messageId,
    replyTo,
    correlationId,
    expiration,
  }: OutgoingMessage): Promise<void> {
    await this.slots.take();
    try {
      if (!this.open || this.stopping) throw new NotConnected('the session has ended');
      const topic = this.options.topic.replace(/[+#]$/, sender);
      const properties = {
        userProperties: { 'message-id': messageId },
        contentType: 'application/json',
        payloadFormatIndicator: true,
        ...(replyTo !== undefined && { responseTopic: replyTo }),
        // Bytes of any kind, kept one by one.
        ...(correlationId !== undefined && { correlationData: Buffer.from(correlationId, 'latin1') }),
        // Whole seconds (MQTT 5, section 3.3.2.3.3).
        ...(expiration !== undefined && { messageExpiryInterval: Math.ceil(expiration / 1000) }),
      };
      const payload = Buffer.from(body.buffer, body.byteOffset, body.length);
      const packetId = await this.publish(topic, payload, { qos: 1, properties });
      if (this.thrownAway.delete(packetId))
        throw new Undeliverable(`nobody subscribes to ${topic}: is a conductor running on this broker?`);
    } catch (error) {
      throw failureOf(error);
    } finally {
      this.slots.give();
    }
  }

  /** Resolves with the packet id at the PUBACK. The library forgets some of its callbacks when the connection ends. */
  private async publish(topic: string, payload: Buffer, options: IClientPublishOptions): Promise<number> {
    let fail: (error: Error) => void = () => {};
    try {
      return await new Promise((resolve, reject) => {
        fail = reject;
        this.unconfirmed.add(fail);
        this.client.publish(topic, payload, options, (error, packet) => {
          if (error) reject(error);
          else resolve(packet?.messageId ?? 0);
        });
      });
    } finally {
      this.unconfirmed.delete(fail);
    }
  }

  async stop(deadline: AbortSignal): Promise<void> {
    this.stopping = true;
    if (!this.open) return;
    await settledBy(this.slots.idle(), deadline);
    await settledBy(this.client.endAsync(), deadline);
    if (this.open) this.client.end(true);
    await settledBy(this.closed, deadline);
  }
}

/** Only a PUBACK has a reason code. Everything else is the connection's end, which the library may tell before it closes. */
function failureOf(error: unknown): Error {
  if (error instanceof NotConnected || error instanceof Undeliverable) return error;
  return error instanceof Error && 'code' in error && typeof error.code === 'number'
    ? new Undeliverable(`the broker refuses the message: ${error.message}`, { cause: error })
    : new NotConnected(messageOf(error), { cause: error });
}

/** A client that has not connected yet, and never comes back by itself. */
function createClient(options: MqttOptions, clientId: string): MqttClient {
  const url = new URL(options.url);
  const known = credentialsOf(options, options.url);
  // The library would put those of the URL before ours.
  url.username = '';
  url.password = '';
  const client = mqtt.connect(url.href, {
    ...(known !== undefined && { username: known.user, password: known.password }),
    ...(['mqtts:', 'wss:'].includes(url.protocol) && tlsOptions(options)),
    clientId,
    clean: true,
    keepalive: options.keepalive,
    connectTimeout: options.connectTimeout,
    protocolVersion: options.version === '5' ? 5 : 4,
    reconnectPeriod: 0,
    resubscribe: false,
    manualConnect: true,
  });
  // Errors come with the promises that are awaited or with the close; unheard, the event would end the process.
  client.on('error', () => {});
  return client;
}

/** Connects; resolves with the CONNACK. Rejects with ConfigError or NotConnected. */
function connected(client: MqttClient): Promise<IConnackPacket> {
  return new Promise((resolve, reject) => {
    let reason: unknown;
    client.once('connect', resolve);
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
  const message = messageOf(error) || (codeOf(error) ?? String(code));
  return finalCodes.has(code)
    ? new ConfigError(`the broker refuses the connection: ${message}`, { cause: error })
    : new NotConnected(message, { cause: error });
}

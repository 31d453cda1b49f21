import { randomUUID } from 'node:crypto';
import type { MqttClient, Packet } from 'mqtt';
import type { SenderSetup } from '../../core/config/transport-kind.ts';
import { settledBy } from '../../core/deadline.ts';
import { ConfigError, messageOf, NotConnected, Undeliverable } from '../../core/errors.ts';
import type { Reply } from '../../core/message/request.ts';
import { Semaphore } from '../../core/semaphore.ts';
import { isWritableName } from '../../core/transport/names.ts';
import type { OutgoingMessage, Sender, SenderSession } from '../../core/transport/sender.ts';
import { UntilEnd } from '../../core/transport/until-end.ts';
import {
  connected,
  createClient,
  disconnectReason,
  maxReceiveMaximum,
  publishFailure,
} from './connection.ts';
import type { MqttOptions } from './options.ts';
import { assertFits } from './topic.ts';

/** PUBACK reason code: the broker took the message and threw it away (MQTT 5, section 3.4.2.1). */
const noMatchingSubscribers = 0x10;

/** Publishes at QoS 1; the PUBACK says that the broker has it. */
export class MqttSender implements Sender {
  private readonly options: MqttOptions;
  private readonly context: SenderSetup;

  /** Throws ConfigError if there is no one topic for each sender. */
  constructor(options: MqttOptions, context: SenderSetup) {
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
    const client = createClient(this.options, { clientId, clean: true });
    client.on('message', (_topic, body, { properties }) =>
      receive({ body, correlationId: properties?.correlationData?.toString('latin1') }),
    );
    try {
      const { properties } = await connected(client);
      const replyTo = await this.subscribe(client, `conductor-replies/${clientId}`);
      const slots = new Semaphore(properties?.receiveMaximum ?? maxReceiveMaximum);
      const largest = properties?.maximumPacketSize;
      return new MqttSenderSession(client, this.options, replyTo, slots, largest);
    } catch (error) {
      client.end(true);
      throw error;
    }
  }

  /** Undefined where the broker does not allow it: casts need no replies. */
  private async subscribe(client: MqttClient, topic: string): Promise<string | undefined> {
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
  readonly hasProperties: boolean;
  readonly closed: Promise<Error | undefined>;
  private readonly client: MqttClient;
  private readonly options: MqttOptions;
  /** The broker says how many may be under way; one more, and it disconnects. */
  private readonly slots: Semaphore;
  /** Bytes of a packet that the broker takes, if it has said so. */
  private readonly largest: number | undefined;
  /** Packet ids of what the broker took and threw away. The library tells it with none of its promises. */
  private readonly thrownAway = new Set<number>();
  private readonly sending = new UntilEnd();
  private stopping = false;
  private open = true;

  constructor(
    client: MqttClient,
    options: MqttOptions,
    replyTo: string | undefined,
    slots: Semaphore,
    largest: number | undefined,
  ) {
    this.largest = largest;
    this.client = client;
    this.options = options;
    this.replyTo = replyTo;
    this.hasProperties = options.version === '5';
    this.slots = slots;
    let reason: Error | undefined;
    const fail = (error: Error) => {
      reason ??= error;
      client.end(true);
    };
    // The library would go on reading in the middle of a packet.
    client.on('error', (error) => fail(new NotConnected(messageOf(error), { cause: error })));
    client.on('disconnect', ({ reasonCode }) => fail(disconnectReason(client, reasonCode)));
    client.on('packetreceive', (packet: Packet) => {
      if (packet.cmd === 'puback' && packet.reasonCode === noMatchingSubscribers)
        this.thrownAway.add(packet.messageId ?? 0);
    });
    this.closed = new Promise((resolve) => {
      client.on('close', () => {
        this.open = false;
        this.sending.end(new NotConnected('the connection was closed before the broker had the message'));
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
    // Those that are waiting for their turn when we are stopped are under way.
    if (this.stopping) throw new NotConnected('the session has ended');
    await this.slots.take();
    try {
      if (!this.open) throw new NotConnected('the session has ended');
      const topic = this.options.topic.replace(/[+#]$/, () => sender);
      // The broker would end the connection over it.
      if (!isWritableName(topic)) throw new Undeliverable(`nothing can be sent to ${topic.slice(0, 64)}`);
      assertFits(body, [topic, messageId, replyTo, correlationId], this.largest);
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
      const packet = await this.sending.wait(
        this.client.publishAsync(topic, payload, { qos: 1, properties }),
      );
      if (this.thrownAway.delete(packet?.messageId ?? 0))
        throw new Undeliverable(`nobody subscribes to ${topic}: is a conductor running on this broker?`);
    } catch (error) {
      throw publishFailure(error);
    } finally {
      this.slots.give();
    }
  }

  async stop(deadline: AbortSignal): Promise<void> {
    this.stopping = true;
    if (!this.open) return;
    await settledBy(this.slots.idle(), deadline);
    await settledBy(this.client.endAsync(), deadline);
    // Asked to end already, the library takes no second word for it, and waits for a peer that no longer answers.
    if (this.open) this.client.stream.destroy();
    await settledBy(this.closed, deadline);
  }
}

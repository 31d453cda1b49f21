import { randomUUID } from 'node:crypto';
import type { Packet } from 'mqtt';
import type { SenderSetup } from '../../core/config/transport-kind.ts';
import { messageOf, Undeliverable } from '../../core/errors.ts';
import type { Reply } from '../../core/message/request.ts';
import { establish } from '../../core/transport/establish.ts';
import { isWritableName, mqttWildcards, nameFor } from '../../core/transport/names.ts';
import type { OutgoingMessage, Sender, SenderSession } from '../../core/transport/sender.ts';
import { type Connection, lossOf, openConnection } from './connect.ts';
import type { MqttOptions } from './options.ts';
import { correlationDataOf, Publisher, textsOf, userProperties } from './publish.ts';

/** PUBACK reason code: the broker has dropped the message (MQTT 5, section 3.4.2.1). */
const noMatchingSubscribers = 0x10;

/** Publishes at QoS 1. The PUBACK says that the broker has the message. */
class MqttSender implements Sender {
  private readonly options: MqttOptions;
  private readonly setup: SenderSetup;

  constructor(options: MqttOptions, setup: SenderSetup) {
    this.options = options;
    this.setup = setup;
  }

  connect(receive: (reply: Reply) => void): Promise<SenderSession> {
    // The option is the conductor's own client id. A broker ends the older of two connections with one id, so a sender makes a new one.
    const clientId = `conductor-client-${this.setup.clientName}-${randomUUID().slice(0, 8)}`;
    return establish(
      () => openConnection(this.options, { clientId, clean: true }),
      async (connection) => {
        const { tap } = connection;
        tap.start((body, { correlationId }, handle) => {
          if (handle !== 0) tap.acknowledge([{ handle }]);
          receive({ body, correlationId });
        });
        const replyTo = await this.subscribe(connection, `conductor-replies/${clientId}`);
        return new MqttSenderSession(connection, this.options, replyTo);
      },
      ({ tap }) => tap.destroy(),
      lossOf,
    );
  }

  /** Undefined if the broker does not allow the subscription: casts need no replies. */
  private async subscribe({ client, life }: Connection, topic: string): Promise<string | undefined> {
    try {
      await life.wait(client.subscribeAsync(topic, { qos: 1 }));
      return topic;
    } catch (error) {
      if (!life.open) throw error;
      this.setup.logger.warn(
        { code: 'no-replies', topic, error: messageOf(error) },
        'may not subscribe to replies: no calls',
      );
      return undefined;
    }
  }
}

/** The sending side: publishes with QoS 1. */
export function createSender(options: MqttOptions, setup: SenderSetup): Sender {
  return new MqttSender(options, setup);
}

class MqttSenderSession implements SenderSession {
  readonly replyTo: string | undefined;
  readonly hasProperties: boolean;
  private readonly connection: Connection;
  private readonly options: MqttOptions;
  private readonly publisher: Publisher;
  /** Packet ids of dropped messages. The library's promises do not report them. */
  private readonly thrownAway = new Set<number>();

  constructor(connection: Connection, options: MqttOptions, replyTo: string | undefined) {
    this.connection = connection;
    this.options = options;
    this.replyTo = replyTo;
    this.hasProperties = options.version === '5';
    this.publisher = new Publisher(connection);
    connection.client.on('packetreceive', (packet: Packet) => {
      if (packet.cmd === 'puback' && packet.reasonCode === noMatchingSubscribers)
        this.thrownAway.add(packet.messageId ?? 0);
    });
  }

  get closed(): Promise<Error | undefined> {
    return this.connection.life.closed;
  }

  async send(message: OutgoingMessage): Promise<void> {
    const { body, messageId, replyTo, correlationId, expiration, contentType, trace } = message;
    const topic = nameFor(message.sender, this.options.topic, mqttWildcards);
    // Otherwise the broker would end the connection.
    if (!isWritableName(topic)) throw new Undeliverable(`nothing can be sent to ${topic.slice(0, 64)}`);
    const properties = {
      ...userProperties(messageId, trace),
      contentType: contentType ?? 'application/json',
      payloadFormatIndicator: true,
      ...(replyTo !== undefined && { responseTopic: replyTo }),
      ...correlationDataOf(correlationId),
      // Whole seconds (MQTT 5, section 3.3.2.3.3).
      ...(expiration !== undefined && { messageExpiryInterval: Math.ceil(expiration / 1000) }),
    };
    const texts = [messageId, replyTo, correlationId, contentType, ...textsOf(trace)];
    const packetId = await this.publisher.send(topic, body, texts, properties);
    if (this.thrownAway.delete(packetId))
      throw new Undeliverable(`nobody subscribes to ${topic}: is a conductor running on this broker?`);
  }

  async stop(deadline: AbortSignal): Promise<void> {
    const { client, life } = this.connection;
    await life.stop(deadline, async () => {
      await this.publisher.unconfirmed.idle(deadline);
      await client.endAsync();
    });
    await this.closed;
  }
}

import type { ConsumeMessage } from 'amqplib';
import type { Delivery, DeliveryMeta, Session } from '../../core/transport/contract.ts';
import type { Amqp091Options } from './options.ts';

/** What is kept of a message while it is held: not the library's form of it, with its properties and headers. */
export class Amqp091Delivery implements Delivery {
  readonly session: Session;
  readonly deliveryTag: number;
  readonly body: Buffer;
  readonly meta: DeliveryMeta;

  constructor(session: Session, deliveryTag: number, body: Buffer, meta: DeliveryMeta) {
    this.session = session;
    this.deliveryTag = deliveryTag;
    this.body = body;
    this.meta = meta;
  }
}

/** What the broker and the sender say of a message that arrives now. */
export function metaOf(
  { fields, properties }: ConsumeMessage,
  mode: Amqp091Options['auth']['mode'],
): DeliveryMeta {
  const userId: unknown = properties.userId;
  const messageId: unknown = properties.messageId;
  const replyTo: unknown = properties.replyTo;
  const correlationId: unknown = properties.correlationId;
  const compression: unknown = properties.headers?.compression;
  const receivedAt = performance.now();
  const expiration = Number(properties.expiration);
  return {
    messageId: typeof messageId === 'string' ? messageId : undefined,
    replyTo: typeof replyTo === 'string' ? replyTo : undefined,
    correlationId: typeof correlationId === 'string' ? correlationId : undefined,
    // Milliseconds, as a text. The broker drops what has waited longer in the queue, so that at most this is left.
    deadline: Number.isFinite(expiration) ? receivedAt + expiration : undefined,
    sender:
      mode === 'subject'
        ? fields.routingKey.slice(fields.routingKey.lastIndexOf('.') + 1)
        : mode === 'user-id' && typeof userId === 'string'
          ? userId
          : undefined,
    senderProof: mode === 'subject' || mode === 'user-id' ? mode : undefined,
    compression: typeof compression === 'string' ? compression : undefined,
    redelivered: fields.redelivered,
    receivedAt,
  };
}

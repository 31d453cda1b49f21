import type { DeliveryMeta } from '../../core/transport/contract.ts';
import type { Amqp091Options } from './options.ts';
import type { Message } from './read-properties.ts';

/** Makes the metadata of a delivery from the message's properties. */
export class MetaReader {
  private readonly mode: Amqp091Options['auth']['mode'];
  /** The metadata of the last message without properties of its own. Most have none, so messages of a chunk share one object. */
  private plain: DeliveryMeta | undefined;

  /** @param mode how the sender is proven. */
  constructor(mode: Amqp091Options['auth']['mode']) {
    this.mode = mode;
  }

  /** Copies all it needs: the message may be filled anew afterwards. */
  of(message: Message): DeliveryMeta {
    const { mode } = this;
    if (mode === 'subject') return metaOf(message, lastWordOf(message.routingKey), mode);
    if (mode === 'user-id') return metaOf(message, message.userId, mode);
    if (!isPlain(message)) return metaOf(message, undefined, undefined);
    if (this.plain?.receivedAt !== message.receivedAt) this.plain = metaOf(message, undefined, undefined);
    return this.plain;
  }
}

function isPlain(message: Message): boolean {
  return (
    !message.redelivered &&
    message.messageId === undefined &&
    message.replyTo === undefined &&
    message.correlationId === undefined &&
    message.expiration === undefined &&
    message.compression === undefined
  );
}

function metaOf(
  { messageId, replyTo, correlationId, expiration, compression, redelivered, receivedAt }: Message,
  sender: string | undefined,
  senderProof: DeliveryMeta['senderProof'],
): DeliveryMeta {
  // Milliseconds, as a text. The broker drops a message that has waited longer in the queue, so this is an upper bound.
  const left = expiration === undefined ? Number.NaN : Number(expiration);
  const deadline = Number.isFinite(left) ? receivedAt + left : undefined;
  return {
    messageId,
    replyTo,
    correlationId,
    deadline,
    sender,
    senderProof,
    compression,
    redelivered,
    receivedAt,
  };
}

function lastWordOf(routingKey: string): string {
  return routingKey.slice(routingKey.lastIndexOf('.') + 1);
}

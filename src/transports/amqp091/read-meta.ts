import type { DeliveryMeta } from '../../core/transport/contract.ts';
import type { Amqp091Options } from './options.ts';
import type { Message } from './read-properties.ts';

/** What the broker and the sender say of messages, as the rest of the conductor wants it. */
export class MetaReader {
  private readonly mode: Amqp091Options['auth']['mode'];
  /** Of the last message that says nothing of itself. Most say nothing, and those that one read brings share theirs. */
  private plain: DeliveryMeta | undefined;

  /** @param mode how senders are known. */
  constructor(mode: Amqp091Options['auth']['mode']) {
    this.mode = mode;
  }

  /** The message may be filled anew after this. */
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
  // Milliseconds, as a text. The broker drops what has waited longer in the queue, so that at most this is left.
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

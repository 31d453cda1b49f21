import type { Msg } from '@nats-io/transport-node';
import type { DeliveryMeta } from '../../core/transport/contract.ts';
import { type Headers, readHeaders } from './headers.ts';
import { headerBlock } from './inside.ts';
import type { NatsOptions } from './options.ts';

/** Most messages have no headers. */
const plain: Headers = {};

/** Of a message from a stream. Its own reply subject is the one to acknowledge it by. */
export function jetStreamMeta(
  message: Msg,
  options: Pick<NatsOptions, 'auth'>,
  redelivered: boolean,
): DeliveryMeta {
  return metaOf(message, options, redelivered, undefined);
}

/** Of a message from core NATS, whose own reply subject is where the caller waits. */
export function coreMeta(message: Msg, options: Pick<NatsOptions, 'auth'>): DeliveryMeta {
  return metaOf(message, options, false, message.reply === '' ? undefined : message.reply);
}

function metaOf(
  message: Msg,
  { auth }: Pick<NatsOptions, 'auth'>,
  redelivered: boolean,
  replyTo: string | undefined,
): DeliveryMeta {
  const receivedAt = performance.now();
  const block = headerBlock(message);
  const headers = block === undefined ? plain : readHeaders(block);
  const bySubject = auth.mode === 'subject';
  return {
    messageId: headers.messageId,
    replyTo: headers.replyTo ?? replyTo,
    correlationId: headers.correlationId,
    deadline: deadlineOf(headers, receivedAt),
    sender: bySubject ? message.subject.slice(message.subject.lastIndexOf('.') + 1) : undefined,
    senderProof: bySubject ? 'subject' : undefined,
    redelivered,
    receivedAt,
  };
}

/** @param now of the monotonic clock; the header's deadline is one of the wall clock. */
function deadlineOf({ deadline }: Headers, now: number): number | undefined {
  if (deadline === undefined || !/^\d{1,15}$/.test(deadline)) return undefined;
  return now + Number(deadline) - Date.now();
}

/**
 * Where in the subject that a message is acknowledged by its count of deliveries begins:
 * `$JS.ACK.<stream>.<consumer>.<delivered>.<stream sequence>.<consumer sequence>.<time>.<pending>`, or with domain and account before
 * the stream, and something random at the end (ADR-15 of the NATS architecture). The same for all messages of a consumer.
 */
export function deliveredAt(reply: string): number {
  const tokens = reply.split('.');
  const before = tokens.length === 9 ? 4 : 6;
  return tokens.slice(0, before).join('.').length + 1;
}

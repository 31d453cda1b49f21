import type { Msg } from '@nats-io/transport-node';
import type { DeliveryMeta } from '../../core/contracts.ts';
import { header } from './connection.ts';
import type { NatsOptions } from './options.ts';

type Described = Pick<DeliveryMeta, 'messageId' | 'replyTo' | 'correlationId' | 'deadline'>;

/** Most messages have no headers. */
const plain: Described = {};

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
  const described = message.headers === undefined ? plain : describe(message.headers, receivedAt);
  const bySubject = auth.mode === 'subject';
  return {
    messageId: described.messageId,
    replyTo: described.replyTo ?? replyTo,
    correlationId: described.correlationId,
    deadline: described.deadline,
    sender: bySubject ? message.subject.slice(message.subject.lastIndexOf('.') + 1) : undefined,
    senderProof: bySubject ? 'subject' : undefined,
    redelivered,
    receivedAt,
  };
}

/** @param now of the monotonic clock; the header's deadline is one of the wall clock. */
function describe(headers: Iterable<[string, string[]]>, now: number): Described {
  const found: { -readonly [Key in keyof Described]: Described[Key] } = {};
  for (const [key, [value]] of headers) {
    if (key === header.messageId) found.messageId = value;
    else if (key === header.replyTo) found.replyTo = value;
    else if (key === header.correlationId) found.correlationId = value;
    else if (key === header.deadline && value !== undefined && /^\d{1,15}$/.test(value))
      found.deadline = now + Number(value) - Date.now();
  }
  return found;
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

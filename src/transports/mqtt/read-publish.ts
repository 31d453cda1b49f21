import { NotConnected } from '../../core/errors.ts';
import type { DeliveryMeta } from '../../core/transport/contract.ts';
import { MessageProperties } from './read-properties.ts';

/** The first two bytes of the packets that acknowledge a message: PUBACK, and PUBREC for QoS 2 (MQTT 5, sections 3.4 and 3.5). */
const puback = 0x4002;
const pubrec = 0x5002;

/** Bits of the first byte of a PUBLISH (MQTT 5, section 3.3.1). */
const retain = 1;
const duplicate = 8;

/**
 * Takes one message.
 *
 * @param ack the four bytes of the acknowledging packet, as a number; 0 for QoS 0, which is not acknowledged.
 * @param clears whether it only says that a retained message is cleared. Only MQTT 5 has that flag, and only for subscriptions with
 *   "retain as published".
 */
export type Receive = (body: Uint8Array, meta: DeliveryMeta, ack: number, clears: boolean) => void;

export interface PublishOptions {
  /** Whether the connection speaks MQTT 5, whose messages have properties. */
  readonly hasProperties: boolean;
  /** Whether the last level of the topic is the sender. */
  readonly bySubject: boolean;
  /** Whether the user properties may be the attributes of an event. */
  readonly readsEvents: boolean;
  /** Whether the user properties may be the context of the sender's span. */
  readonly readsTrace: boolean;
}

/** Reads PUBLISH packets (MQTT 5 and 3.1.1, section 3.3). */
export class PublishReader {
  private readonly options: PublishOptions;
  private readonly properties: MessageProperties;
  /** The metadata of the last message without properties. The messages of a chunk share it. */
  private plain: DeliveryMeta | undefined;

  constructor(options: PublishOptions, properties = new MessageProperties(options.readsEvents)) {
    this.options = options;
    this.properties = properties;
  }

  /**
   * Reads a message. If its properties cannot be read, they stay in front of its body. The bytes are no message then, and are kept as a
   * dead letter.
   *
   * @param start the offset after the packet's length.
   * @param receivedAt milliseconds of the monotonic clock.
   * @throws NotConnected if the broker breaks the protocol, so that the packet cannot be acknowledged.
   */
  read(bytes: Buffer, start: number, end: number, receivedAt: number, flags: number, receive: Receive): void {
    const { properties } = this;
    const qos = (flags >> 1) & 3;
    if (qos === 3) throw new NotConnected('the broker sent a message of QoS 3, which does not exist');
    const topicEnd = start + 2 <= end ? start + 2 + bytes.readUInt16BE(start) : Number.POSITIVE_INFINITY;
    let bodyAt = qos === 0 ? topicEnd : topicEnd + 2;
    if (bodyAt > end) throw new NotConnected('the broker sent a message that is shorter than its topic');
    const packetId = qos === 0 ? 0 : bytes.readUInt16BE(topicEnd);
    if (qos > 0 && packetId === 0) throw new NotConnected('the broker sent a message with the packet id 0');
    properties.clear();
    if (this.options.hasProperties) {
      // Only an alias could give the topic of an empty name, and we allow no aliases (MQTT 5, section 3.3.2.3.4).
      if (topicEnd === start + 2) throw new NotConnected('the broker sent a message without a topic');
      const readTo = properties.read(bytes, bodyAt, end);
      if (readTo === undefined) properties.clear();
      else bodyAt = readTo;
    }
    const sender = this.options.bySubject ? lastLevel(bytes, start + 2, topicEnd) : undefined;
    const meta = this.metaOf(sender, (flags & duplicate) !== 0, receivedAt);
    const view = new Uint8Array(bytes.buffer, bytes.byteOffset + bodyAt, end - bodyAt);
    // A view keeps its chunk in memory, 64 KiB at most, until its batch is done. A call may be held for long.
    const body = meta.replyTo === undefined ? view : view.slice();
    const header = qos === 2 ? pubrec : puback;
    receive(
      body,
      meta,
      qos === 0 ? 0 : header * 0x1_0000 + packetId,
      (flags & retain) !== 0 && bodyAt === end,
    );
  }

  protected metaOf(sender: string | undefined, redelivered: boolean, receivedAt: number): DeliveryMeta {
    const { isEmpty, messageId, replyTo, correlationId, expiry, event } = this.properties;
    const isPlain = isEmpty && event === undefined && sender === undefined && !redelivered;
    if (isPlain && this.plain?.receivedAt === receivedAt) return this.plain;
    const meta: DeliveryMeta = {
      messageId,
      replyTo,
      correlationId,
      // Seconds that are left: the broker subtracts the time in its queue.
      deadline: expiry === undefined ? undefined : receivedAt + expiry * 1000,
      sender,
      senderProof: sender === undefined ? undefined : 'subject',
      redelivered,
      receivedAt,
    };
    if (isPlain) this.plain = meta;
    return event === undefined ? meta : { ...meta, event };
  }
}

/** Joins the acknowledging packets. In MQTT 5 a missing reason code means success. */
export function encodeAcks(acks: ReadonlyArray<{ readonly handle: number }>): Buffer {
  const packets = Buffer.allocUnsafe(acks.length * 4);
  let at = 0;
  for (const { handle } of acks) at = packets.writeUInt32BE(handle, at);
  return packets;
}

function lastLevel(bytes: Buffer, start: number, end: number): string {
  let at = end;
  while (at > start && bytes[at - 1] !== 0x2f) at -= 1;
  return bytes.toString('utf8', at, end);
}

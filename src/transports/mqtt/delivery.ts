import type { IPublishPacket } from 'mqtt';
import type { Delivery, DeliveryMeta, Session } from '../../core/transport/contract.ts';

/** First two bytes of the packets that say that a message is ours: PUBACK, and of QoS 2 PUBREC (MQTT 5, sections 3.4 and 3.5). */
const puback = 0x4002;
const pubrec = 0x5002;

export class MqttDelivery implements Delivery {
  readonly session: Session;
  /** 0 for a message of QoS 0, which has none and is not acknowledged. */
  readonly packetId: number;
  /** Of the packet that acknowledges it. */
  readonly ackHeader: number;
  readonly body: Buffer;
  readonly meta: DeliveryMeta;

  constructor(session: Session, packet: IPublishPacket, bySubject: boolean) {
    this.session = session;
    this.packetId = packet.messageId ?? 0;
    this.ackHeader = packet.qos === 2 ? pubrec : puback;
    this.body = typeof packet.payload === 'string' ? Buffer.from(packet.payload) : packet.payload;
    this.meta = metaOf(packet, bySubject);
  }
}

/**
 * Whether the packet only tells that a retained message is cleared. It is no message of a guest's. The flag is there in MQTT 5
 * alone, where we subscribe with "retain as published".
 */
export function isClearing({ retain, payload }: IPublishPacket): boolean {
  return retain && payload.length === 0;
}

/** The acknowledging packets, one after the other. In MQTT 5 no reason code means success. */
export function encodeAcks(deliveries: ReadonlyArray<MqttDelivery>): Buffer {
  const packets = Buffer.allocUnsafe(deliveries.length * 4);
  for (const [index, { packetId, ackHeader }] of deliveries.entries()) {
    packets.writeUInt16BE(ackHeader, index * 4);
    packets.writeUInt16BE(packetId, index * 4 + 2);
  }
  return packets;
}

function metaOf({ topic, dup, properties }: IPublishPacket, bySubject: boolean): DeliveryMeta {
  const receivedAt = performance.now();
  const id = properties?.userProperties?.['message-id'];
  const expiry = properties?.messageExpiryInterval;
  return {
    messageId: typeof id === 'string' ? id : undefined,
    replyTo: properties?.responseTopic,
    // Bytes of any kind, kept one by one.
    correlationId: properties?.correlationData?.toString('latin1'),
    // Seconds that are left of it, less the time that it has waited at the broker.
    deadline: expiry === undefined ? undefined : receivedAt + expiry * 1000,
    sender: bySubject ? topic.slice(topic.lastIndexOf('/') + 1) : undefined,
    senderProof: bySubject ? 'subject' : undefined,
    redelivered: dup,
    receivedAt,
  };
}

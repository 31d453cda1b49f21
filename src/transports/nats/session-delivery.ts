import type { DeliveryMeta, Session } from '../../core/transport/contract.ts';
import { HeldDelivery } from '../../core/transport/held-delivery.ts';
import type { Incoming } from './read.ts';

/** The handle is the bytes of the message. The subject of its acknowledgement is between `replyAt` and `replyEnd`. */
export class NatsDelivery extends HeldDelivery<Buffer> {
  readonly replyAt: number;
  readonly replyEnd: number;
  /** Bytes of the whole message, which is kept with its headers. */
  readonly size: number;
  /** The time at which the broker last heard that it is held, on the monotonic clock. */
  heldSince: number;

  constructor(
    session: Session,
    { bytes, replyAt, replyEnd, blockAt, bodyAt, end }: Incoming,
    meta: DeliveryMeta,
  ) {
    super(session, bytes.subarray(bodyAt, end), meta, bytes);
    this.replyAt = replyAt;
    this.replyEnd = replyEnd;
    this.size = end - blockAt;
    this.heldSince = meta.receivedAt;
  }
}

/** `PUB <subject> <size>\r\n<payload>\r\n` for each message, in one buffer. */
export function responses(deliveries: ReadonlyArray<NatsDelivery>, payload: string): Buffer {
  const [before, behind] = [Buffer.from('PUB '), Buffer.from(` ${payload.length}\r\n${payload}\r\n`)];
  let size = deliveries.length * (before.length + behind.length);
  for (const { replyAt, replyEnd } of deliveries) size += replyEnd - replyAt;
  const all = Buffer.allocUnsafe(size);
  let at = 0;
  for (const { handle, replyAt, replyEnd } of deliveries) {
    at += before.copy(all, at);
    at += handle.copy(all, at, replyAt, replyEnd);
    at += behind.copy(all, at);
  }
  return all;
}

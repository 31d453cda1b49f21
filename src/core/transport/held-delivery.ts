import type { Delivery, DeliveryMeta, Session } from './contract.ts';
import type { Settled } from './settling-order.ts';

/** A delivery in memory. It keeps no object of the client library, and no properties beside `meta`. */
export class HeldDelivery<Handle> implements Delivery, Settled {
  readonly session: Session;
  readonly body: Uint8Array;
  readonly meta: DeliveryMeta;
  /** The session settles the delivery by it: a tag, a packet id, a number. */
  readonly handle: Handle;
  settled = false;

  constructor(session: Session, body: Uint8Array, meta: DeliveryMeta, handle: Handle) {
    this.session = session;
    this.body = body;
    this.meta = meta;
    this.handle = handle;
  }
}

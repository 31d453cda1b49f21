import type { Delivery, DeliveryMeta, Session } from './contract.ts';
import type { Settled } from './settling-order.ts';

/** What is kept of a message while it is held: not the client library's form of it, with its properties and headers. */
export class HeldDelivery<Handle> implements Delivery, Settled {
  readonly session: Session;
  readonly body: Uint8Array;
  readonly meta: DeliveryMeta;
  /** What the session settles it by. */
  readonly handle: Handle;
  settled = false;

  constructor(session: Session, body: Uint8Array, meta: DeliveryMeta, handle: Handle) {
    this.session = session;
    this.body = body;
    this.meta = meta;
    this.handle = handle;
  }
}

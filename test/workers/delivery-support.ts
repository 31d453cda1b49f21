/** What the tests of the worker pool share. */
import type { Delivery, DeliveryMeta, Session } from '../../src/core/transport/contract.ts';

const session: Session = {
  settle: () => {},
  publish: () => Promise.resolve(),
  pause: () => {},
  resume: () => {},
  drain: () => Promise.resolve(),
  stop: () => Promise.resolve(),
  closed: new Promise(() => {}),
};

export function delivery(body: string | Uint8Array, meta: Partial<DeliveryMeta> = {}): Delivery {
  const bytes = typeof body === 'string' ? Buffer.from(body) : body;
  return { session, body: bytes, meta: { redelivered: false, receivedAt: 0, ...meta } };
}

import type { CallAddress } from '../message/envelope.ts';
import type { BatchResult } from '../message/outcome.ts';
import type { Delivery } from '../transport/contract.ts';

/** A call without room. */
export interface Excess {
  readonly delivery: Delivery;
  readonly address: CallAddress | undefined;
}

/** Joins calls without room with their reply addresses, which a worker has read. */
export function withAddresses(
  excess: ReadonlyArray<Delivery>,
  batch: ReadonlyArray<Delivery>,
  { addresses = [] }: BatchResult,
): ReadonlyArray<Excess> {
  if (excess.length === 0) return [];
  const byDelivery = new Map(addresses.map(([place, address]) => [batch[place], address]));
  return excess.map((delivery) => ({ delivery, address: byDelivery.get(delivery) }));
}

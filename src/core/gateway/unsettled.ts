import type { Delivery } from '../transport/contract.ts';
import type { InFlight } from './in-flight.ts';

/** A batch in a worker. */
export interface Batch {
  readonly inFlight: InFlight;
  readonly deliveries: ReadonlyArray<Delivery>;
}

/** Milliseconds for which the oldest message has been in memory without an outcome; calls do not count. 0: there is none. */
export function oldestUnsettled(perTransport: ReadonlyArray<InFlight>, running: Iterable<Batch>): number {
  const firsts = [
    ...perTransport.map(({ oldest }) => oldest),
    ...[...running].map(({ deliveries: [first] }) => first),
  ];
  const now = performance.now();
  return Math.max(
    0,
    ...firsts.flatMap((first) => (first === undefined ? [] : [now - first.meta.receivedAt])),
  );
}

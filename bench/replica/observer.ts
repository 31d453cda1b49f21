import type { ConfiguredTransport } from '../../src/core/config/transport-kind.ts';
import type { Delivery, Session, Transport } from '../../src/core/transport/contract.ts';

/** The times of one message, in milliseconds since the epoch. */
export interface Sample {
  /** When it was due at its guest: its `sent`. */
  readonly due: number;
  readonly received: number;
  readonly settled: number;
}

/** A batch that was settled. */
export interface SettledBatch {
  readonly at: number;
  readonly size: number;
}

/** Samples and batches that are kept at most. */
const most = 1_000_000;

/**
 * Stands between a transport and the dispatcher, and notes when messages arrive and when they are settled. It looks at one message in so many, and
 * reads the `sent` in its body.
 */
export class Observer {
  private readonly every: number;
  private readonly open = new Map<Delivery, number>();
  private readonly known = new WeakSet<Session>();
  private seen = 0;
  readonly samples: Sample[] = [];
  readonly batches: SettledBatch[] = [];
  settled = 0;
  /** Milliseconds since the epoch of the last settlement. */
  lastSettledAt = 0;

  constructor(every: number) {
    this.every = every;
  }

  observe(configured: ConfiguredTransport): ConfiguredTransport {
    return { ...configured, create: (setup) => this.wrap(configured.create(setup)) };
  }

  private wrap(transport: Transport): Transport {
    return {
      name: transport.name,
      connect: (deliver) =>
        transport.connect((delivery) => {
          this.watch(delivery.session);
          if (!deliver(delivery)) return false;
          this.seen += 1;
          if (this.seen % this.every === 0) this.note(delivery);
          return true;
        }),
    };
  }

  private note(delivery: Delivery): void {
    const due = sentIn(delivery.body);
    if (due !== undefined && this.open.size < most) this.open.set(delivery, due);
  }

  /** Deliveries are settled by their session. */
  private watch(session: Session): void {
    if (this.known.has(session)) return;
    this.known.add(session);
    const settle = session.settle.bind(session);
    session.settle = (deliveries, settlement) => {
      settle(deliveries, settlement);
      if (settlement === 'done') this.took(deliveries);
      else for (const delivery of deliveries) this.open.delete(delivery);
    };
  }

  private took(deliveries: ReadonlyArray<Delivery>): void {
    const at = performance.timeOrigin + performance.now();
    this.settled += deliveries.length;
    this.lastSettledAt = at;
    if (this.batches.length < most) this.batches.push({ at, size: deliveries.length });
    if (this.open.size === 0) return;
    for (const delivery of deliveries) {
      const due = this.open.get(delivery);
      if (due === undefined) continue;
      this.open.delete(delivery);
      if (this.samples.length < most)
        this.samples.push({ due, received: performance.timeOrigin + delivery.meta.receivedAt, settled: at });
    }
  }
}

/** The `sent` of a body in milliseconds; undefined if it cannot be read, as in Trove's encrypted form. */
export function sentIn(body: Uint8Array): number | undefined {
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  const name = bytes.indexOf('sent');
  if (name < 0) return undefined;
  const [digits] = /\d+\.\d+/.exec(bytes.toString('latin1', name, name + 40)) ?? [];
  return digits === undefined ? undefined : Number(digits) * 1000;
}

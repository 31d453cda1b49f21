import type { TransportKind } from '../core/config/transport-kind.ts';
import { createLogger } from '../core/logger.ts';
import type { Sender } from '../core/transport/sender.ts';
import type { Network, Opened, Test } from './subject.ts';

/** The sending side of a transport, with a broker, and the receiving side to show which messages have arrived. */
export interface SenderSubject {
  readonly name: string;
  /** Why the subject cannot offer something. */
  readonly lacks?: Partial<Record<SenderOffer, string>>;
  /** A sender to an address without a receiver, or without the right to send there. */
  readonly undeliverable?: string;
  /** A queue of the case's own. */
  open(t: Test): Promise<OpenedSender>;
  /** The same. The suite controls the network between sender and broker; the transport uses another way. */
  openBehindProxy?(t: Test): Promise<OpenedSender & { readonly network: Network }>;
}

/** The parts that the subject of a sender may lack. */
export type SenderOffer =
  | 'undeliverable'
  | 'proxy'
  /** Whether the protocol has properties for message id, reply address, correlation id and time limit. */
  | 'properties';

export interface OpenedSender extends Pick<Opened, 'transport'> {
  sender(): Sender;
}

/** A sender of a kind, as the client library makes it, without a log. */
export function createSender(kind: TransportKind, options: Readonly<Record<string, unknown>>): Sender {
  return kind.configure('conformance', { ...options }).createSender({
    clientName: 'conformance',
    logger: createLogger('silent', (text) => text),
  });
}

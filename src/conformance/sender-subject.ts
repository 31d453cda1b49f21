import type { TransportKind } from '../core/config/transport-kind.ts';
import { createLogger } from '../core/logger.ts';
import type { Sender } from '../core/transport/sender.ts';
import type { Network, Opened, Test } from './subject.ts';

/** The sending side of a transport, with a broker and the receiving side, which shows what has arrived. */
export interface SenderSubject {
  readonly name: string;
  /** Why the subject cannot offer something. */
  readonly lacks?: Partial<Record<SenderOffer, string>>;
  /** A sender at whose address nobody listens, or to which nobody may send. */
  readonly undeliverable?: string;
  /** A queue of the case's own. */
  open(t: Test): Promise<OpenedSender>;
  /** The same, with the network between sender and broker in the suite's hands. The transport goes another way. */
  openBehindProxy?(t: Test): Promise<OpenedSender & { readonly network: Network }>;
}

/** What the subject of a sender may offer or not. */
export type SenderOffer =
  | 'undeliverable'
  | 'proxy'
  /** Whether the protocol has properties for message id, reply address, correlation id and time limit. */
  | 'properties';

export interface OpenedSender extends Pick<Opened, 'transport'> {
  sender(): Sender;
}

/** A sender of a kind, as the client library would make it, but for the log, which nobody reads here. */
export function createSender(kind: TransportKind, options: Readonly<Record<string, unknown>>): Sender {
  return kind.configure('conformance', { ...options }).createSender({
    clientName: 'conformance',
    logger: createLogger('silent', (text) => text),
  });
}

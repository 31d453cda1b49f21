import { pino } from 'pino';
import type { TransportContext } from '../../../src/core/config/transport-kind.ts';
import type { SenderProof, Transport } from '../../../src/core/contracts.ts';
import { transportKinds } from '../../../src/transports/index.ts';
import type { ServiceName } from '../../support/services.ts';

/** A transport that the suite is run on, with a broker beside it that the suite can publish on. */
export interface Subject {
  readonly name: string;
  readonly needs: ServiceName;
  /** False: what is settled behind something that is not waits with it, and may come again. */
  readonly settlesOutOfOrder: boolean;
  /** Whether the protocol can tell the broker how much may be in flight. */
  readonly boundedByBroker: boolean;
  /** How a sender is proven; by the last part of the address unless told. */
  readonly senderProof?: SenderProof;
  open(t: Test, options?: Record<string, unknown>): Promise<Opened>;
}

/** A queue of the test's own. */
export interface Opened {
  /** A transport with this bound, of a replica with this name. */
  transport(messages: number, replica?: string): Transport;
  /** Resolves once the broker has the message. */
  publish(sender: string, body: Buffer): Promise<void>;
}

export interface Test {
  teardown(end: () => Promise<unknown>): void;
}

export function make(kind: string, options: Record<string, unknown>, messages: number): Transport {
  const context: Omit<TransportContext, 'name'> = {
    share: { messages, bytes: 2 ** 24 },
    replica: 'conformance',
    logger: pino({ level: 'silent' }),
  };
  const configured = transportKinds[kind]?.configure(kind, { kind, ...options });
  if (configured === undefined) throw new Error(`${kind} is not a kind`);
  return configured.create(context);
}

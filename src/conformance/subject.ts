import type { TransportKind } from '../core/config/transport-kind.ts';
import { createLogger } from '../core/logger.ts';
import type { Reply } from '../core/message/request.ts';
import type { SenderProof, Transport } from '../core/transport/contract.ts';
import type { OutgoingMessage } from '../core/transport/sender.ts';

/**
 * A transport to test, with a broker that the suite can publish on. A missing part skips its cases. `lacks` has the reason if the protocol
 * is the cause.
 */
export interface Subject {
  readonly name: string;
  /** False: messages that are settled behind an unsettled one wait with it, and may come again. */
  readonly settlesOutOfOrder: boolean;
  /** Whether the protocol can tell the broker how much may be in flight. */
  readonly boundedByBroker: boolean;
  /** How a sender is proven; by default by the last part of the address. */
  readonly senderProof?: SenderProof;
  /** Why the subject cannot offer something. */
  readonly lacks?: Partial<Record<Offer, string>>;
  /** A queue of the case's own. `options` go over those of the subject. */
  open(t: Test, options?: Record<string, unknown>): Promise<Opened>;
  /** The same, with messages that have properties, and callers that wait for replies. */
  openWithCallers?(t: Test): Promise<Opened & Callers>;
  /** The same. The suite controls the network between transport and broker; `publish` uses another way. */
  openBehindProxy?(t: Test): Promise<Opened & { readonly network: Network }>;
  /** The same, on a broker that may be restarted. Confirmed messages survive that. */
  openRestartable?(t: Test): Promise<Opened & { restart(): Promise<void> }>;
  /** The same over TLS, with a broker that asks for a client certificate. */
  openSecure?(t: Test): Promise<Opened & Secured>;
  /** The same, with the options for a replica in a process of its own. */
  openForProcesses?(t: Test): Promise<Opened & { replica(name: string, messages: number): ReplicaOptions }>;
  /** The same, with messages of a hostile sender. */
  openWithHostile?(t: Test): Promise<Opened & Hostile>;
  /** The same, on a broker that takes back a message that is held for too long. */
  openImpatient?(t: Test): Promise<Opened & { readonly patience: number }>;
  /** The same, with objects that an operator may delete under an open session. */
  openDeletable?(t: Test): Promise<Opened & { readonly deletions: Readonly<Record<string, Deletion>> }>;
  /** The same, with callers, on a broker that refuses messages of this many bytes. */
  openWithLimit?(t: Test): Promise<Opened & Callers & { readonly tooLarge: number }>;
}

/** The parts that a subject may lack. */
export type Offer =
  | 'callers'
  | 'proxy'
  | 'restart'
  | 'tls'
  | 'processes'
  | 'hostile'
  | 'impatient'
  | 'deletable'
  | 'limit'
  /** Whether several replicas may consume at once. */
  | 'replicas'
  /** Whether the protocol marks a redelivered message. */
  | 'redelivered'
  /** Whether the broker gives messages to replicas with room, and not in turns. */
  | 'balance';

/** A queue of the case's own. */
export interface Opened {
  /** A transport with this bound, for a replica of this name (by default `one`). `bytes` is for `createTransport`. */
  transport(messages: number, replica?: string, bytes?: number): Transport;
  /** Resolves once the broker has the message. */
  publish(sender: string, body: Buffer): Promise<void>;
}

/** The other end of a call. */
export interface Callers {
  /** Resolves once the broker has the message with all its properties. */
  send(message: OutgoingMessage): Promise<void>;
  /** The address where this caller listens. */
  readonly replyTo: string;
  /** The replies that have come, oldest first. */
  readonly replies: ReadonlyArray<Reply>;
  /** A well-formed address where nobody listens. */
  readonly goneReplyTo: string;
}

/** A hostile sender's choices: properties of every type, of any size and depth, and invalid names and values. */
export interface Hostile {
  /**
   * By their oddity. Each function sends one message in the raw form of the protocol. It resolves with whether the broker has accepted it:
   * false if the broker refuses it, or ends the sender's connection because of it.
   */
  readonly hostile: Readonly<Record<string, () => Promise<boolean>>>;
}

/** An object that a session depends on. */
export interface Deletion {
  /** Resolves once it is deleted. */
  delete(): Promise<void>;
  /** The text that the session's error must have. */
  readonly says: RegExp;
  /** Makes it again, if the transport does not do so when it connects. */
  restore?(): Promise<void>;
}

/** The network between a transport and its broker, such as a TCP proxy. */
export interface Network {
  /** Resets all connections. New ones are let through. */
  cut(): void;
  /** Resets all connections once the transport has sent so many more chunks; the last one is not forwarded. So each step may be the last. */
  cutAfter?(chunks: number): void;
  /** Swallows all bytes from now on, in both directions, and reports nothing. */
  halfOpen(): void;
  /** Lets new connections through again. */
  restore(): Promise<void>;
}

export interface Secured {
  /** Transports with one fault each, by the fault, with the text that their line must have. */
  readonly refusals: Readonly<Record<string, Refusal>>;
}

export interface Refusal {
  readonly transport: Transport;
  readonly says: RegExp;
  /** Whether the broker may cut the connection before its reason arrives. Then the error is NotConnected, with the same line. */
  readonly mayBeCut?: boolean;
}

/** The options for a replica in a process of its own. */
export interface ReplicaOptions {
  /** The URL of a module that exports the TransportKind. */
  readonly module: string;
  /** The name of the export; by default `default`. */
  readonly exported?: string;
  /** The transport's options, with `kind`. */
  readonly options: Readonly<Record<string, unknown>>;
  readonly messages: number;
  readonly replica: string;
}

/** Registers a clean-up. All run at the end of the case, the last one first. */
export interface Test {
  teardown(end: () => Promise<unknown> | unknown): void;
}

/**
 * A transport of a kind, as a conductor makes it, without a log.
 *
 * @param options as in the configuration, with `kind`. Throws ConfigError if they are wrong.
 * @param messages the bound.
 * @param bytes the other bound: bytes of all held bodies.
 */
export function createTransport(
  kind: TransportKind,
  options: Readonly<Record<string, unknown>>,
  messages: number,
  replica = 'one',
  bytes: number = 2 ** 24,
): Transport {
  return kind.configure('conformance', { ...options }).create({
    share: { messages, bytes },
    replica,
    logger: createLogger('silent', (text) => text),
  });
}

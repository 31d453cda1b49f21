import type { TransportKind } from '../core/config/transport-kind.ts';
import { createLogger } from '../core/logger.ts';
import type { Reply } from '../core/message/request.ts';
import type { SenderProof, Transport } from '../core/transport/contract.ts';
import type { OutgoingMessage } from '../core/transport/sender.ts';

/**
 * A transport that the suite is run on, with a broker beside it that the suite can publish on. What it does not offer is a stated
 * skip; `lacks` has the reason where it is the protocol's.
 */
export interface Subject {
  readonly name: string;
  /** False: what is settled behind something that is not waits with it, and may come again. */
  readonly settlesOutOfOrder: boolean;
  /** Whether the protocol can tell the broker how much may be in flight. */
  readonly boundedByBroker: boolean;
  /** How a sender is proven; by the last part of the address unless told. */
  readonly senderProof?: SenderProof;
  /** Why the subject cannot offer something. */
  readonly lacks?: Partial<Record<Offer, string>>;
  /** A queue of the case's own. `options` go over those of the subject. */
  open(t: Test, options?: Record<string, unknown>): Promise<Opened>;
  /** The same, with messages that have properties, and callers that wait for replies. */
  openWithCallers?(t: Test): Promise<Opened & Callers>;
  /** The same, with the network between transport and broker in the suite's hands. `publish` goes another way. */
  openBehindProxy?(t: Test): Promise<Opened & { readonly network: Network }>;
  /** The same, on a broker that may be restarted. What it has confirmed survives that. */
  openRestartable?(t: Test): Promise<Opened & { restart(): Promise<void> }>;
  /** The same over TLS, by a broker that asks for a client certificate. */
  openSecure?(t: Test): Promise<Opened & Secured>;
  /** The same, with what a process needs that is to be a replica. */
  openForProcesses?(t: Test): Promise<Opened & { replica(name: string, messages: number): ReplicaOptions }>;
  /** The same, with messages that a sender may send to do harm. */
  openWithHostile?(t: Test): Promise<Opened & Hostile>;
  /** The same, on a broker that takes a message back which is held for too long. */
  openImpatient?(t: Test): Promise<Opened & { readonly patience: number }>;
  /** The same, with what an operator may delete under a session that is open. */
  openDeletable?(t: Test): Promise<Opened & { readonly deletions: Readonly<Record<string, Deletion>> }>;
  /** The same, with callers, on a broker that refuses messages of this many bytes. */
  openWithLimit?(t: Test): Promise<Opened & Callers & { readonly tooLarge: number }>;
}

/** What a subject may offer or not. */
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
  /** Whether the protocol says that a message has been delivered before. */
  | 'redelivered'
  /** Whether the broker looks at who has room when it hands out messages, not at whose turn it is. */
  | 'balance';

/** A queue of the case's own. */
export interface Opened {
  /** A transport with this bound, of a replica with this name; `one` unless told. `bytes` is for `createTransport`. */
  transport(messages: number, replica?: string, bytes?: number): Transport;
  /** Resolves once the broker has the message. */
  publish(sender: string, body: Buffer): Promise<void>;
}

/** The other end of a call. */
export interface Callers {
  /** Resolves once the broker has the message, with all that it says of itself. */
  send(message: OutgoingMessage): Promise<void>;
  /** Where this caller listens. */
  readonly replyTo: string;
  /** What has come there, oldest first. */
  readonly replies: ReadonlyArray<Reply>;
  /** A well-formed address where nobody listens. */
  readonly goneReplyTo: string;
}

/** What a sender may choose to do harm: properties of every type, of any size and depth, names and values that are none. */
export interface Hostile {
  /**
   * By what is odd about it. Each call sends one message in the raw form of the protocol, and resolves with whether the broker has
   * taken it: false where the broker refuses it, or ends the sender's connection over it.
   */
  readonly hostile: Readonly<Record<string, () => Promise<boolean>>>;
}

/** Something that a session depends on. */
export interface Deletion {
  /** Resolves once it is deleted. */
  delete(): Promise<void>;
  /** What the session's error has to say. */
  readonly says: RegExp;
  /** Makes it again, where the transport does not do so when it connects. */
  restore?(): Promise<void>;
}

/** The network between a transport and its broker, such as a TCP proxy. */
export interface Network {
  /** Resets all connections. New ones are let through. */
  cut(): void;
  /** Does so once the transport has sent so many chunks more, and does not pass on the last of them: a cut between any two steps. */
  cutAfter?(chunks: number): void;
  /** Swallows all bytes from now on, either way, and tells nobody. */
  halfOpen(): void;
  /** Lets new connections through again. */
  restore(): Promise<void>;
}

export interface Secured {
  /** Transports with one thing wrong each, by what it is; with what their one line has to say. */
  readonly refusals: Readonly<Record<string, Refusal>>;
}

export interface Refusal {
  readonly transport: Transport;
  readonly says: RegExp;
  /** Whether the broker may cut the connection before its reason arrives: then it is NotConnected, with a line that says the same. */
  readonly mayBeCut?: boolean;
}

/** How a process of its own becomes a replica. */
export interface ReplicaOptions {
  /** The URL of a module that exports the TransportKind. */
  readonly module: string;
  /** The name of the export; `default` unless told. */
  readonly exported?: string;
  /** The transport's options, with `kind`. */
  readonly options: Readonly<Record<string, unknown>>;
  readonly messages: number;
  readonly replica: string;
}

/** What cases and subjects use to clean up: the last one first, at the end of the case. */
export interface Test {
  teardown(end: () => Promise<unknown> | unknown): void;
}

/**
 * A transport of a kind, as a conductor would make it, but for the log, which nobody reads here.
 *
 * @param options as in the configuration, with `kind`. Throws ConfigError if they are wrong.
 * @param messages the bound.
 * @param bytes of all bodies that are held: the other bound.
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

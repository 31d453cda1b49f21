/** What the dispatcher and the supervisor expect of a transport. One folder under transports/ implements it per protocol. */

/** A broker protocol, configured. Made once; its sessions come and go. */
export interface Transport {
  /** The key under `transports` in the configuration. */
  readonly name: string;
  /**
   * ONE attempt to connect and to start consuming; resolves once deliveries may arrive. Fails with ConfigError (wrong
   * credentials, a queue of another type) or NotConnected. Never retries: the supervisor does.
   */
  connect(deliver: Deliver): Promise<Session>;
}

/**
 * Hands a delivery on. False: it was not taken, because what this transport holds has reached its bound. The session
 * gives it back to the broker in its protocol's way and delivers nothing more until it is resumed.
 */
export type Deliver = (delivery: Delivery) => boolean;

/** One connection's life of a transport. Deliveries belong to their session and die with it. */
export interface Session {
  /** Settles a whole batch of its deliveries at once. Does nothing once closed: the broker has them back. Never throws. */
  settle(deliveries: ReadonlyArray<Delivery>, settlement: Settlement): void;
  /**
   * Publishes the answer to a call, or a notification. Resolves once the broker has it, or has said that nobody is there to
   * take it: a caller that has gone is no failure of ours. Rejects with NotConnected if the session ends before that (then the
   * message that it belongs to comes again), with Undeliverable if the broker refuses it.
   */
  publish(publication: Publication): Promise<void>;
  /** Stops the flow of deliveries, keeps the connection alive. Twice is harmless. */
  pause(): void;
  resume(): void;
  /** Asks the broker for nothing more. Resolves once it will deliver nothing more, or has closed, or past the deadline. */
  drain(deadline: AbortSignal): Promise<void>;
  /** Closes: what is settled reaches the broker, the rest goes back to it. Resolves in any case, at the deadline at latest. */
  stop(deadline: AbortSignal): Promise<void>;
  /** Resolves once, however the session ends; with the error unless it was asked to end. */
  readonly closed: Promise<Error | undefined>;
}

/** `done`: the broker may forget it. `release`: the broker delivers it again, to us or to another replica. */
export type Settlement = 'done' | 'release';

/** One message as the transport received it: not decoded, not settled. What its session settles it by is the session's own. */
export interface Delivery {
  readonly session: Session;
  readonly body: Uint8Array;
  readonly meta: DeliveryMeta;
}

/** What is published behind a message. */
export interface Publication {
  readonly to: Address;
  readonly body: Uint8Array;
  /** Of a reply: as the call had it. */
  readonly correlationId?: string | undefined;
}

/**
 * `reply`: what a call's `replyTo` says, or what its body says in the wire form of oslo. `topic`: a name of the broker's own
 * namespace, for notifications: on AMQP 0-9-1 a routing key on the transport's exchange, elsewhere a subject, topic or address.
 */
export type Address = { readonly kind: 'reply' | 'topic'; readonly name: string };

export interface DeliveryMeta {
  readonly messageId?: string | undefined;
  /** Where the answer goes, as the protocol's own property says: then this is a call. Casts have none. */
  readonly replyTo?: string | undefined;
  /** To be given back with the answer. */
  readonly correlationId?: string | undefined;
  /** Milliseconds of the monotonic clock, after which the caller no longer waits for an answer. */
  readonly deadline?: number | undefined;
  /** Who the broker says sent it, and how the broker knows. */
  readonly sender?: string | undefined;
  readonly senderProof?: SenderProof | undefined;
  /** How the body is compressed, as kombu's header `compression` says it; undefined where it is not. */
  readonly compression?: string | undefined;
  readonly redelivered: boolean;
  /** Milliseconds of the monotonic clock (`performance.now()`). */
  readonly receivedAt: number;
}

export type SenderProof = 'subject' | 'user-id' | 'trove';

/** What one transport may have in memory: its share of `maxInFlight` and `maxInFlightBytes`. */
export interface Share {
  readonly messages: number;
  readonly bytes: number;
}

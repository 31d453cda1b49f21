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

export interface DeliveryMeta {
  readonly messageId?: string | undefined;
  /** Who the broker says sent it, and how the broker knows. */
  readonly sender?: string | undefined;
  readonly senderProof?: SenderProof | undefined;
  readonly redelivered: boolean;
  /** Milliseconds of the monotonic clock (`performance.now()`). */
  readonly receivedAt: number;
}

export type SenderProof = 'subject' | 'user-id';

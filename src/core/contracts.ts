/** What the dispatcher and the supervisor expect of a transport. One folder under transports/ implements it per protocol. */

/** A broker protocol, configured. Made once; its sessions come and go. */
export interface Transport {
  /** The key under `transports` in the configuration. */
  readonly name: string;
  /**
   * ONE attempt to connect and to start consuming; resolves once deliveries may arrive. Fails with ConfigError (wrong
   * credentials, a queue of another type) or NotConnected. Never retries: the supervisor does.
   */
  connect(deliver: (delivery: Delivery) => void): Promise<Session>;
}

/** One connection's life of a transport. Deliveries belong to their session and die with it. */
export interface Session {
  /** Settles a whole batch at once. Does nothing for deliveries of a session that has closed: the broker has them back. */
  settle(settled: ReadonlyArray<Settled>): void;
  /** Stops the flow of deliveries, keeps the connection alive. Twice is harmless. */
  pause(): void;
  resume(): void;
  /** Stops the flow for good. What was delivered stays to be settled; nothing new arrives once it resolves. */
  drain(): Promise<void>;
  /** Closes in good order: what is settled reaches the broker, the rest goes back to it. Rejects past the deadline. */
  stop(deadline: AbortSignal): Promise<void>;
  /** Resolves once, however the session ends; with the error unless it was asked to end. */
  readonly closed: Promise<Error | undefined>;
}

/** `done`: the broker may forget it. `release`: the broker delivers it again, to us or to another replica. */
export type Settlement = 'done' | 'release';
export interface Settled {
  readonly delivery: Delivery;
  readonly settlement: Settlement;
}

/** One message as the transport received it: not decoded, not settled. */
export interface Delivery {
  readonly session: Session;
  /** What the session knows it by: a delivery tag, a packet id. */
  readonly tag: number;
  readonly body: Uint8Array;
  readonly meta: DeliveryMeta;
}

export interface DeliveryMeta {
  readonly messageId?: string | undefined;
  /** Who the broker says sent it, and how the broker knows. */
  readonly sender?: string | undefined;
  readonly senderProof?: SenderProof | undefined;
  readonly redelivered: boolean;
}

export type SenderProof = 'subject' | 'user-id';

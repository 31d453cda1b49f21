/** The contract of a transport with the dispatcher and the supervisor. A folder under transports/ implements it for each protocol. */

import type { TraceContext } from '../message/trace-context.ts';
import type { Shortfall } from './durability.ts';

/** A configured broker protocol. It is made once and has one session after the other. */
export interface Transport {
  /** The key under `transports` in the configuration. */
  readonly name: string;
  /**
   * ONE attempt to connect and to start consuming; resolves once deliveries may arrive. Fails with ConfigError (wrong
   * credentials, a queue of another type) or NotConnected. Never retries: the supervisor does.
   */
  connect(deliver: Deliver): Promise<Session>;
  /** Set if the broker keeps messages for this replica alone. They wait for it while it is away, and for a peer if it is gone. */
  readonly kept?: KeptSession;
  /**
   * ONE attempt to take over what the broker keeps for another replica. The session gets only what is there, not what is published from
   * now on. `drain` resolves when it has all of it, `stop` then ends it at the broker. Fails as `connect` does. If the other replica takes
   * its session back, the session ends with Displaced.
   *
   * @param share bounds what may be in flight to the session.
   */
  adopt?(kept: KeptSession, deliver: Deliver, share: Share): Promise<Session>;
  /**
   * Signs in, looks at what the broker has for this transport, and closes the connection. It changes nothing on the broker and takes no
   * message. Warnings go to the log, as those of `connect`. Rejects as `connect`. Left out: the transport can only be started.
   */
  inspect?(): Promise<Inspection>;
}

/** The findings of `inspect`. */
export interface Inspection {
  /** Objects that the broker lacks and `connect` would make, such as `queue conductor`. */
  readonly missing: ReadonlyArray<string>;
  /** As a session's; undefined if it cannot be told without consuming. */
  readonly durability: ReadonlyArray<Shortfall> | undefined;
}

/** What the broker keeps for one replica alone, as a peer needs to know it. It has no secret: the database has it. */
export interface KeptSession {
  /** The broker keeps it under this id. */
  readonly clientId: string;
  /** Messages that match it are added. */
  readonly subscription: string;
}

/**
 * Hands a delivery to the dispatcher. False: the delivery was not taken, since the transport's share is full. The session gives it
 * back to the broker in its protocol's way, and delivers nothing more until it is resumed.
 *
 * A session cannot do without this answer: it bounds messages by asking for no more than its share, but brokers do not tell how many
 * bytes they are about to send.
 */
export type Deliver = (delivery: Delivery) => boolean;

/** One connection's life of a transport. Deliveries belong to their session and die with it. */
export interface Session {
  /** Settles a whole batch of its deliveries at once. Does nothing once closed: the broker has them back. Never throws. */
  settle(deliveries: ReadonlyArray<Delivery>, settlement: Settlement): void;
  /**
   * Publishes the answer to a call, or a notification. Resolves once the broker has it, or has said that nobody is there to
   * take it: a caller that has gone is no failure of ours. Rejects with NotConnected if the session ends before that (then the
   * call comes again, and the notification is tried again), with Undeliverable if the broker refuses it.
   */
  publish(publication: Publication): Promise<void>;
  /** Stops the flow of deliveries and keeps the connection alive. A second call does nothing. */
  pause(): void;
  resume(): void;
  /**
   * Asks the broker for nothing more. Resolves once no more deliveries will come, at the end of the session, or at the deadline.
   *
   * @param comesBack whether the replica connects again at once. Then whatever the broker keeps for this replica stays.
   */
  drain(deadline: AbortSignal, comesBack?: boolean): Promise<void>;
  /**
   * Closes. Settlements reach the broker; it takes back the other deliveries. Never rejects. Resolves at the deadline, or at most a
   * second later if settlements have to be written then.
   */
  stop(deadline: AbortSignal): Promise<void>;
  /** Whether the broker keeps nothing of a kept session any more. Read after `stop`. Left out: false. */
  readonly leavesNothing?: boolean;
  /** False: the broker has forgotten its deliveries and does not take them back. Left out: true. */
  readonly givesBack?: boolean;
  /** Resolves when the session has ended: with the error, or with undefined if it was asked to end. */
  readonly closed: Promise<Error | undefined>;
  /**
   * Why a message that the broker has confirmed survives no more than it does, as far as the protocol tells. Read once, when the session
   * is open. Left out: the transport cannot tell.
   */
  readonly durability?: ReadonlyArray<Shortfall>;
  /** Set while the broker delivers nothing, although messages wait and the session asks for them. Left out: the session cannot tell. */
  readonly stall?: Stall | undefined;
}

/** A broker that delivers nothing although messages wait. */
export interface Stall {
  /** Milliseconds of the monotonic clock: the session has received nothing since then. */
  readonly since: number;
  /** Why, and what to do. */
  readonly because: string;
}

/** `done`: the broker may forget it. `release`: the broker delivers it again, to us or to another replica. */
export type Settlement = 'done' | 'release';

/** One message as the transport received it: not decoded, not settled. */
export interface Delivery {
  readonly session: Session;
  readonly body: Uint8Array;
  readonly meta: DeliveryMeta;
}

/** A message that the conductor publishes: an answer or a notification. */
export interface Publication {
  readonly to: Address;
  readonly body: Uint8Array;
  /** Of a notification, which may be published more than once. It goes into the protocol's property for it, if there is one. */
  readonly messageId?: string | undefined;
  /** Of a reply: the call's own. */
  readonly correlationId?: string | undefined;
  /** The media type of the body, if its wire form needs one. */
  readonly contentType?: string | undefined;
  /**
   * It goes into the protocol's properties. Of a reply, if tracing is on: the context of the span that has executed the call. Of a
   * notification: the context of the message that led to it.
   */
  readonly trace?: TraceContext | undefined;
}

/**
 * `reply`: the call's `replyTo`, or the address in its body in the wire form of oslo. `topic`: a name of the broker's own
 * namespace, for notifications: on AMQP 0-9-1 a routing key on the transport's exchange, elsewhere a subject, topic or address.
 */
export type Address = { readonly kind: 'reply' | 'topic'; readonly name: string };

export interface DeliveryMeta {
  readonly messageId?: string | undefined;
  /** The protocol's own reply address. A message that has one is a call. */
  readonly replyTo?: string | undefined;
  /** The answer has to have the same. */
  readonly correlationId?: string | undefined;
  /** Milliseconds of the monotonic clock. After it the caller no longer waits for an answer. */
  readonly deadline?: number | undefined;
  /** Who has sent the message, as the broker says, and how the broker knows. */
  readonly sender?: string | undefined;
  readonly senderProof?: SenderProof | undefined;
  /** How the body is compressed, by kombu's header `compression`; undefined if it is not. */
  readonly compression?: string | undefined;
  /** The attributes of a CloudEvent in binary mode, as `EventAttributes.text` gives them. Only with codec `cloudevents`. */
  readonly event?: string | undefined;
  /** The context of the sender's span. Only if the transport was told to read it (`readsTrace`). */
  readonly trace?: TraceContext | undefined;
  readonly redelivered: boolean;
  /** Milliseconds of the monotonic clock (`performance.now()`). */
  readonly receivedAt: number;
}

export type SenderProof = 'subject' | 'user-id' | 'trove' | 'hmac';

/** The part of `maxInFlight` and `maxInFlightBytes` that one transport may have in memory. */
export interface Share {
  readonly messages: number;
  readonly bytes: number;
}

import type { Reply } from '../message/request.ts';

/** The sending side of a protocol, for guests and services: what the client library expects of a transport. */

/** A broker protocol to send on, configured. Made once; its sessions come and go. */
export interface Sender {
  /** ONE attempt to connect. Fails with ConfigError or NotConnected, as Transport.connect does. Never retries: the client does. */
  connect(receive: (reply: Reply) => void): Promise<SenderSession>;
}

/** One connection's life of a sender. */
export interface SenderSession {
  /**
   * Resolves once the broker has the message: a publisher confirm, a PUBACK, a stream's acknowledgement, `accepted`. Any number
   * may be under way. Rejects with Undeliverable if the broker refuses this message for good (nothing is bound to its address, it
   * may not be sent there), with NotConnected if the session ends before the broker has answered: it may have arrived or not.
   */
  send(message: OutgoingMessage): Promise<void>;
  /** Where replies to this session can be sent; undefined where the broker does not let us listen anywhere. */
  readonly replyTo: string | undefined;
  /** Whether the protocol has properties for message id, reply address and correlation id (MQTT 3.1.1 has none). */
  readonly hasProperties: boolean;
  /** Waits for what is under way, then closes. Resolves in any case, at the deadline at latest. */
  stop(deadline: AbortSignal): Promise<void>;
  /** Resolves once, however the session ends; with the error unless it was asked to end. */
  readonly closed: Promise<Error | undefined>;
}

export interface OutgoingMessage {
  /** The last token of the native address. Not used where all senders share one address, as oslo's do. */
  readonly sender: string;
  readonly body: Uint8Array;
  readonly messageId: string;
  /** Of a call: its `replyTo`, usually the session's own. */
  readonly replyTo?: string | undefined;
  readonly correlationId?: string | undefined;
  /** Milliseconds after which nobody waits for it any more: the broker may forget it then. */
  readonly expiration?: number | undefined;
}

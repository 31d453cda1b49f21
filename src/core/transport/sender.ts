import type { Reply } from '../message/request.ts';
import type { TraceContext } from '../message/trace-context.ts';

/** The contract of a transport with the client library: the sending side of a protocol, for guests and services. */

/** A configured broker protocol to send on. It is made once and has one session after the other. */
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
  /** The address for replies to this session; undefined if the broker does not allow any. */
  readonly replyTo: string | undefined;
  /** Whether the protocol has properties for message id, reply address and correlation id (MQTT 3.1.1 has none). */
  readonly hasProperties: boolean;
  /** Waits for the messages that are under way, then closes. Never rejects; resolves at the deadline at latest. */
  stop(deadline: AbortSignal): Promise<void>;
  /** Resolves when the session has ended: with the error, or with undefined if it was asked to end. */
  readonly closed: Promise<Error | undefined>;
}

export interface OutgoingMessage {
  /** The last token of the native address. Unused where all senders share one address, as with oslo. */
  readonly sender: string;
  readonly body: Uint8Array;
  readonly messageId: string;
  /** Whether a reply to this session is expected. Its address is `replyTo` here, or stands in the body. */
  readonly expectsReply?: boolean;
  /** Of a call: its `replyTo`, usually the session's own. */
  readonly replyTo?: string | undefined;
  readonly correlationId?: string | undefined;
  /** The media type of the body, if its wire form needs one. */
  readonly contentType?: string | undefined;
  /** Milliseconds after which the sender no longer waits. The broker may drop the message then. */
  readonly expiration?: number | undefined;
  /** The context of the sender's span. It goes into the protocol's properties, if there are any. */
  readonly trace?: TraceContext | undefined;
}

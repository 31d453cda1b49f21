import type { JsonObject } from '../json.ts';
import type { Span } from '../span.ts';

/**
 * The normalized message: the same for every broker, protocol and wire form. The principal stands beside it, since a body proves
 * nothing about its sender.
 */
export interface Envelope {
  readonly method: string;
  readonly args: unknown;
  /** "major.minor" of the method table that the sender was written for; undefined if an optional version is missing. */
  readonly version: string | undefined;
  readonly messageId: string | undefined;
  /** Whether a message without `sent` is refused. Otherwise it is applied without the guard, as Trove does. */
  readonly sentRequired: boolean;
  /** The request context; undefined if it was not read. */
  readonly context: RequestContext | undefined;
  /** A call: how the wire form addresses the answer. Undefined for a cast. */
  readonly call: CallAddress | undefined;
  /** The instance and the time that the wire form itself names. A method of guests takes them where its arguments lack them. */
  readonly subject?: { readonly instance_id?: string; readonly sent?: number };
}

/** The request context: the sender's own words about the request behind the message. Nothing here is proven. */
export interface RequestContext {
  readonly user: string | undefined;
  readonly tenant: string | undefined;
  readonly requestId: string | undefined;
  /** The whole context, under oslo's names without their prefix, or as the native form has it. */
  readonly all: JsonObject;
}

export interface CallAddress {
  /** The address of the answer, if the body gives one; otherwise the protocol's own reply address applies. */
  readonly replyTo: string | undefined;
  /** The id in the answer by which the caller recognizes it. */
  readonly id: string | undefined;
}

/**
 * The principal: the sender of a message, as the broker or cryptography proves it. Under `auth.mode: none` it is `unproven`, and the
 * claims in the arguments are believed.
 */
export type Principal =
  | { readonly kind: 'guest' | 'service'; readonly id: string }
  | { readonly kind: 'unproven' };

/** The answer to a call. */
export type Answer =
  | { readonly result: unknown }
  | {
      readonly error: {
        readonly class: string;
        readonly message: string;
        readonly argument?: string | undefined;
      };
    };

/** A wire form. */
export interface Codec {
  /** Whether only the body tells a call from a cast. Otherwise the protocol's reply address does. */
  readonly callsAreInTheBody: boolean;
  /** The media type of an answer, if the wire form needs one. */
  readonly contentType?: string;
  /**
   * Decodes a body into an envelope. Throws Rejected.
   *
   * @param whole whether to read the context too. Most methods do not use it.
   */
  decode(body: Span, properties: MessageProperties, whole: boolean): Envelope;
  /** Encodes the answer to a call. */
  encodeAnswer(call: CallAddress, answer: Answer): Uint8Array;
}

/** The protocol's own properties of a message. */
export interface MessageProperties {
  readonly messageId: string | undefined;
  /** Whether the message has a reply address. */
  readonly isCall: boolean;
}

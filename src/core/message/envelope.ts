import type { JsonObject } from '../json.ts';

/**
 * The normalized message: the same whatever broker, protocol and wire form it came by. Who really sent it, the principal, is
 * not the body's to say and stands beside it.
 */
export interface Envelope {
  readonly method: string;
  readonly args: unknown;
  /** "major.minor" of the method table that the sender was written for; undefined where the wire form lets it be left out. */
  readonly version: string | undefined;
  readonly messageId: string | undefined;
  /** Whether a message without `sent` is refused, or may be applied unguarded as Trove does. */
  readonly sentRequired: boolean;
  /** On whose behalf, as the sender says; undefined where it was not read. */
  readonly context: RequestContext | undefined;
  /** Of a call: how the wire form wants the answer to be addressed; undefined for a cast. */
  readonly call: CallAddress | undefined;
}

/** What the sender says of the request that the message belongs to. Nothing here is proven. */
export interface RequestContext {
  readonly user: string | undefined;
  readonly tenant: string | undefined;
  readonly requestId: string | undefined;
  /** All of it, by oslo's names without their prefix, or as the native form has it. */
  readonly all: JsonObject;
}

export interface CallAddress {
  /** Where the answer goes, if the body says so; else it is the protocol's own reply address. */
  readonly replyTo: string | undefined;
  /** What the answer has to hold for the caller to know it. */
  readonly id: string | undefined;
}

/**
 * Who sent a message, as the broker or cryptography proves it. `unproven` under `auth.mode: none`: whatever the
 * arguments claim is believed.
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
  /** Whether the body has to be read to know a call from a cast; where not, the protocol's reply address says it. */
  readonly callsAreInTheBody: boolean;
  /**
   * Turns a body into an envelope. Throws Rejected.
   *
   * @param whole the context too, which most methods have no use for.
   */
  decode(body: Uint8Array, properties: MessageProperties, whole: boolean): Envelope;
  /** The answer in wire form. */
  encodeAnswer(call: CallAddress, answer: Answer): Uint8Array;
}

/** What the protocol's own properties say of a message. */
export interface MessageProperties {
  readonly messageId: string | undefined;
  /** Whether the message has a reply address. */
  readonly isCall: boolean;
}

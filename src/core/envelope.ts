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
}

/**
 * Who sent a message, as the broker or cryptography proves it. `unproven` under `auth.mode: none`: whatever the
 * arguments claim is believed.
 */
export type Principal = { readonly kind: 'guest'; readonly id: string } | { readonly kind: 'unproven' };

/** Turns a body into an envelope. Throws Rejected. */
export type Codec = (body: Uint8Array, messageId: string | undefined) => Envelope;

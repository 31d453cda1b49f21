/** The normalized message: the same whatever broker, protocol and wire form it came by. */
export interface Envelope<Args = unknown> {
  readonly method: string;
  readonly args: Args;
  /** "major.minor" of the method table that the sender was written for; undefined where the wire form lets it be left out. */
  readonly version: string | undefined;
  readonly messageId: string | undefined;
  /** Who really sent it. */
  readonly principal: Principal;
  /** Whether a message without `sent` may be applied, unguarded: Trove does so, the native form does not. */
  readonly sentRequired: boolean;
}

/**
 * Who sent a message, as the broker or cryptography proves it. `unproven` under `auth.mode: none`: whatever the
 * arguments claim is believed.
 */
export type Principal = { readonly kind: 'guest'; readonly id: string } | { readonly kind: 'unproven' };

/** What a codec reads from a body; the principal is not the body's to say. */
export type Decoded = Omit<Envelope, 'principal'>;

/** Turns a body into an envelope. Throws Rejected. */
export type Codec = (body: Uint8Array, messageId: string | undefined) => Decoded;

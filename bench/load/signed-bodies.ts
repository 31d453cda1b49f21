import { createSecretKey } from 'node:crypto';
import { encryptSenderKey } from '../../src/core/message/sender-key.ts';
import { HmacKey, sign } from '../../src/core/message/signature.ts';
import { Bodies, type BodiesOptions, type Cast } from './bodies.ts';

/** The keys of the bench's fleet: that of all its senders, and the one under which Postgres keeps it. They protect nothing. */
const secret = Buffer.alloc(32, 'the key of a sender of the bench');
export const masterKey = Buffer.alloc(32, 'the master key of the bench').toString('base64');

const keyId = 'bench';
const master = createSecretKey(masterKey, 'base64');

/** A row of `sender_keys`. */
export function senderKeyRow(sender: string): { keyId: string; encryptedKey: Buffer } {
  return { keyId, encryptedKey: encryptSenderKey({ sender, keyId, secret }, master) };
}

/** Makes the bodies of a fleet's messages, and signs each. */
export class SignedBodies {
  private readonly bodies: Bodies;
  private readonly key = new HmacKey(secret);

  constructor(options: BodiesOptions) {
    this.bodies = new Bodies(options);
  }

  /** As `Bodies`. */
  next(kind: 'heartbeat' | 'backup', at: number): Cast {
    const { body, sender } = this.bodies.next(kind, at);
    const signed = sign(body, { keyId, sender, sent: at / 1000, messageId: '' }, this.key);
    return { body: Buffer.from(signed.buffer, signed.byteOffset, signed.byteLength), sender };
  }
}

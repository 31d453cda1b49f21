import { createCipheriv, createDecipheriv, createSecretKey, type KeyObject, randomBytes } from 'node:crypto';

/** The keys by which senders sign their messages, as a guest's file and as the table sender_keys have them. */

/** Bytes of a key. */
const keyLength = 32;

/** A key with its names. */
export interface SenderKey {
  readonly sender: string;
  readonly keyId: string;
  readonly secret: Buffer;
}

/** Makes a key. */
export function createSenderKey(sender: string): SenderKey {
  return { sender, keyId: randomBytes(6).toString('base64url'), secret: randomBytes(keyLength) };
}

/** The one line that a sender's key file has: the sender, the key id and the key in base64url, with a space between each. */
export function senderKeyText({ sender, keyId, secret }: SenderKey): string {
  return `${sender} ${keyId} ${secret.toString('base64url')}`;
}

/** Reads the line of a key file; undefined if it is none. */
export function readSenderKey(text: string): SenderKey | undefined {
  const [, sender, keyId, encoded] =
    /^([^\p{Cc}\p{Z}]{1,255}) ([A-Za-z0-9_-]{1,64}) ([A-Za-z0-9_-]{43})=?$/u.exec(text.trim()) ?? [];
  if (sender === undefined || keyId === undefined || encoded === undefined) return undefined;
  return { sender, keyId, secret: Buffer.from(encoded, 'base64url') };
}

/** Reads a master key: 32 bytes in base64, base64url or hexadecimal; undefined if the text is none. */
export function readMasterKey(text: string): KeyObject | undefined {
  const trimmed = text.trim();
  // A key object, since each use of a key in bytes would prepare it again.
  if (/^[0-9a-f]{64}$/i.test(trimmed)) return createSecretKey(trimmed, 'hex');
  if (!/^[A-Za-z0-9+/_-]{43}=?$/.test(trimmed)) return undefined;
  return createSecretKey(trimmed, 'base64');
}

/** Bytes of the nonce and of the tag of AES-GCM (NIST SP 800-38D). */
const nonceLength = 12;
const tagLength = 16;

/** The key as the table has it: nonce, encrypted key, tag, by AES-256-GCM. The names are authenticated: no row opens under other names. */
export function encryptSenderKey({ sender, keyId, secret }: SenderKey, master: KeyObject): Buffer {
  const nonce = randomBytes(nonceLength);
  const cipher = createCipheriv('aes-256-gcm', master, nonce).setAAD(namesOf(sender, keyId));
  return Buffer.concat([nonce, cipher.update(secret), cipher.final(), cipher.getAuthTag()]);
}

/** The key of a row; undefined if it was encrypted under another master key, or its row was altered. */
export function decryptSenderKey(
  { sender, keyId, encrypted }: { sender: string; keyId: string; encrypted: Buffer },
  master: KeyObject,
): Buffer | undefined {
  if (encrypted.length !== nonceLength + keyLength + tagLength) return undefined;
  const decipher = createDecipheriv('aes-256-gcm', master, encrypted.subarray(0, nonceLength), {
    authTagLength: tagLength,
  });
  decipher.setAAD(namesOf(sender, keyId)).setAuthTag(encrypted.subarray(-tagLength));
  try {
    return Buffer.concat([decipher.update(encrypted.subarray(nonceLength, -tagLength)), decipher.final()]);
  } catch {
    // The tag does not fit. Node has no class for this error.
    return undefined;
  }
}

/** A sender has no NUL. */
function namesOf(sender: string, keyId: string): Buffer {
  return Buffer.from(`${sender}\0${keyId}`);
}

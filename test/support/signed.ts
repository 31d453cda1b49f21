import { createSecretKey } from 'node:crypto';
import { encryptSenderKey, type SenderKey } from '../../src/core/message/sender-key.ts';
import { HmacKey, type SignedLine, sign } from '../../src/core/message/signature.ts';
import type { TestDatabase } from './database.ts';

/** Messages that are signed, and keys of senders in the database. */

/** As a configuration has it. */
export const masterKey = Buffer.alloc(32, 0x4d).toString('base64');
const master = createSecretKey(masterKey, 'base64');

/** The key of a sender: always the same for the same names. */
export function keyOf(sender: string, keyId = 'k1'): SenderKey {
  return { sender, keyId, secret: Buffer.alloc(32, `${sender} ${keyId} `) };
}

/** Gives senders their keys. */
export async function storeSenderKeys(database: TestDatabase, ...keys: SenderKey[]): Promise<void> {
  for (const key of keys)
    await database.query('INSERT INTO sender_keys (sender, key_id, encrypted_key) VALUES ($1, $2, $3)', [
      key.sender,
      key.keyId,
      encryptSenderKey(key, master),
    ]);
}

/** A signed body: signed now, with a message id of its own, unless told. */
export function signedBy(key: SenderKey, message: unknown, line: Partial<SignedLine> = {}): Buffer {
  const body = Buffer.from(typeof message === 'string' ? message : JSON.stringify(message));
  const whole = { keyId: key.keyId, sender: key.sender, sent: Date.now() / 1000, messageId: 'm1', ...line };
  return Buffer.from(sign(body, whole, new HmacKey(key.secret)));
}

export function heartbeatMessage(instance: string, sent = 1, status = 'running') {
  return { method: 'heartbeat', args: { instance_id: instance, sent, payload: { service_status: status } } };
}

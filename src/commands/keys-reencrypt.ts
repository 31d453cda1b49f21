import type { KeyObject } from 'node:crypto';
import type { Config } from '../core/config/load.ts';
import { ConfigError } from '../core/errors.ts';
import { decryptSenderKey, encryptSenderKey, readMasterKey } from '../core/message/sender-key.ts';
import type { Query } from '../database/query.ts';
import { type EncryptedKey, readEncryptedKeys, replaceEncryptedKeys } from '../database/sender-keys.ts';

/** Keys that are encrypted anew in one transaction. */
const portion = 500;

/** Keys that are named if they do not open. */
const mostNamed = 10;

export interface Reencrypted {
  /** Keys that are encrypted anew. */
  readonly changed: number;
  /** Keys that were encrypted under `keys.masterKey` before. */
  readonly unchanged: number;
  /** Keys that neither master key opens. They are left as they are. */
  readonly lost: number;
  /** The names of the first of these. */
  readonly lostNames: ReadonlyArray<string>;
}

/**
 * Encrypts the keys under `keys.masterKey` that are encrypted under `keys.previousMasterKey`. It may be stopped at any time and run again:
 * a key that was changed is found unchanged.
 */
export async function reencrypt(query: Query, { keys }: Pick<Config, 'keys'>): Promise<Reencrypted> {
  const master = required(keys.masterKey, 'keys.masterKey');
  const previous = required(keys.previousMasterKey, 'keys.previousMasterKey');
  const counts = { changed: 0, unchanged: 0, lost: 0 };
  const lostNames: string[] = [];
  let after = { sender: '', keyId: '' };
  for (;;) {
    const rows = await readEncryptedKeys(query, after, portion);
    const last = rows.at(-1);
    if (last === undefined) return { ...counts, lostNames };
    after = last;
    const changes: (EncryptedKey & { readonly old: Buffer })[] = [];
    for (const row of rows) {
      if (decryptSenderKey(row, master) !== undefined) {
        counts.unchanged += 1;
        continue;
      }
      const secret = decryptSenderKey(row, previous);
      if (secret === undefined) {
        counts.lost += 1;
        if (lostNames.length < mostNamed) lostNames.push(`${row.sender} ${row.keyId}`);
      } else
        changes.push({ ...row, old: row.encrypted, encrypted: encryptSenderKey({ ...row, secret }, master) });
    }
    if (changes.length > 0) await replaceEncryptedKeys(query, changes);
    counts.changed += changes.length;
  }
}

function required(text: string, key: string): KeyObject {
  const master = readMasterKey(text);
  if (master !== undefined) return master;
  throw new ConfigError(`${key}: is required to encrypt keys anew; docs/security.md has the steps`, {
    code: 'master-key',
  });
}

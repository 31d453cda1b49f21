import type { KeyObject } from 'node:crypto';
import { cipherKeyOf, decrypt } from '../../core/message/codecs/trove-secure.ts';
import type { StoredInstanceKey } from './read-instance-keys.ts';

/** Reads the stored keys of these instances. */
export type ReadKeys = (ids: ReadonlyArray<string>) => Promise<ReadonlyArray<StoredInstanceKey>>;

/** Keys that a thread keeps at most: those of the instances heard from last. A key takes 200 bytes. */
const capacity = 20_000;

/**
 * Milliseconds after which a key is read again. A key may have been changed because others know it; the old key must not unseal
 * messages for ever. A new key counts at once, since the old key does not unseal what the new one has encrypted.
 */
const lifetime = 600_000;

interface Kept {
  readonly key: KeyObject;
  /** Milliseconds of the monotonic clock. */
  readonly readAt: number;
}

/** The keys of the instances in one transport's deployment of Trove, as far as a thread has read them. Least recently used first. */
export class InstanceKeys {
  private readonly encryptionKey: KeyObject;
  private readonly kept = new Map<string, Kept>();

  /** @param secret the key that encrypts `instances.encrypted_key`. */
  constructor(secret: string) {
    this.encryptionKey = cipherKeyOf(secret);
  }

  /** The kept key; undefined if it has to be read. */
  get(id: string, now = performance.now()): KeyObject | undefined {
    const found = this.kept.get(id);
    if (found === undefined) return undefined;
    this.kept.delete(id);
    if (now - found.readAt > lifetime) return undefined;
    this.kept.set(id, found);
    return found.key;
  }

  /**
   * Reads these instances' keys with one query and keeps them.
   *
   * @returns `none` for an instance that has no key and will get none. No entry for an unknown instance, or for a key that is encrypted
   * under another secret, which the operator can correct.
   * @throws the error of `read`. Then nothing is known.
   */
  async refresh(
    ids: ReadonlyArray<string>,
    read: ReadKeys,
  ): Promise<ReadonlyMap<string, KeyObject | 'none'>> {
    const now = performance.now();
    const rows = await read(ids);
    const keys = new Map<string, KeyObject | 'none'>();
    for (const id of ids) this.kept.delete(id);
    for (const { id, encryptedKey } of rows) {
      if (encryptedKey === null) keys.set(id, 'none');
      else {
        const secret = decrypt(encryptedKey, this.encryptionKey);
        // With the wrong secret, one text in 256 has a valid padding by chance. Trove's keys consist of letters and digits.
        if (secret === undefined || !/^[\x20-\x7e]+$/.test(secret)) continue;
        const key = cipherKeyOf(secret);
        keys.set(id, key);
        this.keep(id, { key, readAt: now });
      }
    }
    return keys;
  }

  private keep(id: string, kept: Kept): void {
    this.kept.set(id, kept);
    for (const oldest of this.kept.keys()) {
      if (this.kept.size <= capacity) break;
      this.kept.delete(oldest);
    }
  }
}

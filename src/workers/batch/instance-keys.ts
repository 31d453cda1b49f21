import type { KeyObject } from 'node:crypto';
import { cipherKeyOf, decrypt } from '../../core/message/codecs/trove-secure.ts';
import type { StoredInstanceKey } from './read-instance-keys.ts';

/** Reads the stored keys of these instances. */
export type ReadKeys = (ids: ReadonlyArray<string>) => Promise<ReadonlyArray<StoredInstanceKey>>;

/** How many keys a thread keeps: those of the instances heard last. A key takes 200 bytes. */
const capacity = 20_000;

/**
 * Milliseconds that a key counts without being looked at again: a key that was changed because it is known to others must not
 * open messages for ever. A new key counts at once, since the old one does not open what it has encrypted.
 */
const lifetime = 600_000;

interface Kept {
  readonly key: KeyObject;
  /** Of the monotonic clock. */
  readonly readAt: number;
}

/** The instances' keys, of one transport's deployment of Trove, as far as a thread has met them. Least recently used first. */
export class InstanceKeys {
  private readonly encryptionKey: KeyObject;
  private readonly kept = new Map<string, Kept>();

  /** @param secret what `instances.encrypted_key` is encrypted under. */
  constructor(secret: string) {
    this.encryptionKey = cipherKeyOf(secret);
  }

  /** The key as it is kept; undefined if it has to be read. */
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
   * @returns `none`: the instance has no key, and never will. Left out: the instance is unknown, or its key is encrypted under
   * another secret than ours, which the operator can mend.
   * @throws what `read` throws; then nothing is known.
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
        // Under the wrong secret one in 256 has a padding all the same; Trove's keys are letters and digits.
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

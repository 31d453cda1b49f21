import type { KeyObject } from 'node:crypto';
import { decryptSenderKey, readMasterKey } from '../../core/message/sender-key.ts';
import { HmacKey, keyName } from '../../core/message/signature.ts';
import type { Db } from '../postgres/transaction.ts';
import type { WorkerSettings } from '../settings.ts';
import {
  type KeyName,
  mostChanged,
  readChangedKeys,
  readSenderKeys,
  type StoredSenderKey,
} from './read-sender-keys.ts';

/** A key as a thread keeps it. */
export interface KnownKey {
  readonly sender: string;
  /** Undefined: it was encrypted under another master key, or its row was altered. */
  readonly key: HmacKey | undefined;
  /** Seconds since the epoch: the end of its validity. Undefined: it has none. */
  readonly notAfter: number | undefined;
  readonly isRevoked: boolean;
  /** Milliseconds of the monotonic clock. */
  readonly readAt: number;
}

/** Keys that a thread keeps at most: those that it has read last. A key takes 400 bytes. */
const capacity = 50_000;

/** Milliseconds after which a key is read again, in case its row was deleted. */
const lifetime = 600_000;

/** Seconds that a change of a key may take until it is committed. */
const longestChange = 60;

/**
 * The keys of senders, as far as a thread has read them, oldest reading first. A use does not move a key: that costs far more than the
 * look-up. The thread looks for changed keys at most each `keys.refresh`, with one statement, and forgets them. So a revoked key is
 * refused soon, and a usual batch costs no statement.
 */
export class SenderKeys {
  /** The master key, and the one before it if it is being replaced. */
  private readonly masters: ReadonlyArray<KeyObject>;
  private readonly refreshAfter: number;
  private readonly kept = new Map<string, KnownKey>();
  /** Milliseconds of the monotonic clock. */
  private lookedAt = Number.NEGATIVE_INFINITY;
  /** The database's clock at the last look. */
  private lookedUntil = Number.POSITIVE_INFINITY;

  constructor({ masterKey, previousMasterKey, refresh }: WorkerSettings['keys']) {
    this.masters = [masterKey, previousMasterKey].flatMap((text) => readMasterKey(text) ?? []);
    this.refreshAfter = refresh;
  }

  /** Whether it is time to look for changed keys. */
  isDue(now = performance.now()): boolean {
    return now - this.lookedAt > this.refreshAfter;
  }

  /** The kept key of this name (`keyName`); undefined if it has to be read. */
  get(name: string, now = performance.now()): KnownKey | undefined {
    const found = this.kept.get(name);
    return found === undefined || now - found.readAt > lifetime ? undefined : found;
  }

  /** Forgets the keys that have changed. Rejects if they cannot be read. */
  async look(db: Db, now = performance.now()): Promise<void> {
    const changed = await readChangedKeys(db, this.lookedUntil - longestChange);
    if (changed.length === mostChanged) this.kept.clear();
    for (const { sender, keyId } of changed)
      if (sender !== null && keyId !== null) this.kept.delete(keyName({ sender, keyId }));
    this.lookedUntil = changed[0]?.now ?? this.lookedUntil;
    this.lookedAt = now;
  }

  /** Reads these keys with one statement and keeps them. Rejects if they cannot be read. */
  async read(
    db: Db,
    names: ReadonlyArray<KeyName>,
    now = performance.now(),
  ): Promise<ReadonlyMap<string, KnownKey>> {
    const found = new Map<string, KnownKey>();
    for (const stored of await readSenderKeys(db, names)) found.set(stored.name, this.known(stored, now));
    for (const [name, key] of found) {
      this.kept.delete(name);
      this.kept.set(name, key);
    }
    for (const oldest of this.kept.keys()) {
      if (this.kept.size <= capacity) break;
      this.kept.delete(oldest);
    }
    return found;
  }

  private known(stored: StoredSenderKey, readAt: number): KnownKey {
    let secret: Buffer | undefined;
    for (const master of this.masters) secret ??= decryptSenderKey(stored, master);
    return {
      sender: stored.sender,
      key: secret && new HmacKey(secret),
      notAfter: stored.notAfter ?? undefined,
      isRevoked: stored.isRevoked,
      readAt,
    };
  }
}

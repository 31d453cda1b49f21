import type { Db } from '../postgres/transaction.ts';

export interface StoredSenderKey {
  /** As `keyName` has it, but one flat text: a text that was put together is slower to compare. */
  readonly name: string;
  readonly sender: string;
  readonly keyId: string;
  readonly encrypted: Buffer;
  /** Seconds since the epoch; null: it has no end. */
  readonly notAfter: number | null;
  readonly isRevoked: boolean;
}

/** The names of a key. */
export interface KeyName {
  readonly sender: string;
  readonly keyId: string;
}

/** The keys of these names that the database knows. */
export function readSenderKeys(db: Db, names: ReadonlyArray<KeyName>): Promise<StoredSenderKey[]> {
  const text = `
SELECT key_id || ' ' || sender AS name, sender, key_id AS "keyId", encrypted_key AS encrypted, revoked_at IS NOT NULL AS "isRevoked",
  extract(epoch FROM not_after)::double precision AS "notAfter"
FROM unnest($1::text[], $2::text[]) AS wanted (sender, key_id) JOIN sender_keys USING (sender, key_id)`;
  const columns = [names.map(({ sender }) => sender), names.map(({ keyId }) => keyId)];
  return db.query<StoredSenderKey & Record<string, unknown>>('read-sender-keys', text, columns);
}

/** Changed keys that are read at once. */
export const mostChanged = 1000;

export interface ChangedKey {
  /** The database's clock, in seconds since the epoch. */
  readonly now: number;
  /** Null in the only row if no key has changed. */
  readonly sender: string | null;
  readonly keyId: string | null;
}

/** The names of the keys that have changed since a time of the database's clock. At least one row, for the clock. */
export function readChangedKeys(db: Db, since: number): Promise<ChangedKey[]> {
  const text = `
SELECT clock.now, sender, key_id AS "keyId"
FROM (SELECT extract(epoch FROM clock_timestamp())::double precision AS now) AS clock
LEFT JOIN sender_keys ON changed_at > to_timestamp($1::double precision)
LIMIT ${mostChanged}`;
  return db.query<ChangedKey & Record<string, unknown>>('read-changed-keys', text, [since]);
}

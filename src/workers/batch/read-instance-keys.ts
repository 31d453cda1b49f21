import type { Db } from '../postgres/transaction.ts';

export interface StoredInstanceKey {
  readonly id: string;
  /** Base64, encrypted; null for an instance without a key. */
  readonly encryptedKey: string | null;
}

/** The keys of the instances that the database knows, deleted ones included. */
export function readInstanceKeys(db: Db, ids: ReadonlyArray<string>): Promise<StoredInstanceKey[]> {
  const text = 'SELECT id, encrypted_key AS "encryptedKey" FROM instances WHERE id = ANY($1::text[])';
  return db.query<StoredInstanceKey>('read-instance-keys', text, [ids]);
}

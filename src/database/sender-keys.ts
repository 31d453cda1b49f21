import type { KeyObject } from 'node:crypto';
import { encryptSenderKey, type SenderKey } from '../core/message/sender-key.ts';
import type { Query } from './query.ts';

/** The queries of `conductor keys`. Workers read the table with statements of their own. */

/** Keys that a sender may sign with at once: the old one and the new one of a rotation. */
export const mostLive = 2;

export interface ListedKey {
  readonly sender: string;
  readonly keyId: string;
  readonly state: 'live' | 'ended' | 'revoked';
  readonly createdAt: Date;
  readonly createdBy: string | null;
  readonly notAfter: Date | null;
  readonly revokedAt: Date | null;
}

const state = `CASE WHEN revoked_at IS NOT NULL THEN 'revoked' WHEN not_after <= now() THEN 'ended' ELSE 'live' END`;

const list = `
SELECT sender, key_id AS "keyId", ${state} AS state, created_at AS "createdAt", created_by AS "createdBy",
  not_after AS "notAfter", revoked_at AS "revokedAt"
FROM sender_keys WHERE ($1::text IS NULL OR sender = $1)
ORDER BY sender, created_at, key_id LIMIT $2`;

/** The keys of a sender, or of all senders. */
export function listSenderKeys(
  query: Query,
  sender: string | undefined,
  limit: number,
): Promise<ListedKey[]> {
  return query<ListedKey & Record<string, unknown>>(list, [sender ?? null, limit]);
}

const insert = `
WITH live AS (SELECT count(*) AS keys FROM sender_keys WHERE sender = $1 AND ${state} = 'live')
INSERT INTO sender_keys (sender, key_id, encrypted_key, created_by, not_after)
SELECT $1, $2, $3, $4, now() + $5::double precision * interval '1 ms' FROM live WHERE keys < $6
RETURNING key_id`;

export interface NewKey {
  readonly key: SenderKey;
  readonly master: KeyObject;
  readonly by: string;
  /** Milliseconds for which it is valid; undefined: it has no end. */
  readonly validFor: number | undefined;
}

/** Stores a key. Returns whether it is stored: false if the sender has too many live keys. */
export async function insertSenderKey(query: Query, { key, master, by, validFor }: NewKey): Promise<boolean> {
  const { sender, keyId } = key;
  const values = [sender, keyId, encryptSenderKey(key, master), by, validFor ?? null, mostLive];
  return (await query(insert, values)).length > 0;
}

export interface EncryptedKey {
  readonly sender: string;
  readonly keyId: string;
  readonly encrypted: Buffer;
}

const portion = `
SELECT sender, key_id AS "keyId", encrypted_key AS encrypted FROM sender_keys
WHERE (sender, key_id) > ($1, $2) ORDER BY sender, key_id LIMIT $3`;

/** The next keys in the order of their names, as they are encrypted. */
export function readEncryptedKeys(
  query: Query,
  { sender, keyId }: Pick<EncryptedKey, 'sender' | 'keyId'>,
  limit: number,
): Promise<EncryptedKey[]> {
  return query<EncryptedKey & Record<string, unknown>>(portion, [sender, keyId, limit]);
}

const replace = `
UPDATE sender_keys AS stored SET encrypted_key = input.encrypted
FROM unnest($1::text[], $2::text[], $3::bytea[], $4::bytea[]) AS input(sender, key_id, old, encrypted)
WHERE stored.sender = input.sender AND stored.key_id = input.key_id AND stored.encrypted_key = input.old`;

/**
 * Replaces the encrypted form of keys that still have the old one, in one transaction. The keys themselves stay the same, so no replica has
 * to read them anew.
 */
export async function replaceEncryptedKeys(
  query: Query,
  keys: ReadonlyArray<EncryptedKey & { readonly old: Buffer }>,
): Promise<void> {
  await query(replace, [
    keys.map(({ sender }) => sender),
    keys.map(({ keyId }) => keyId),
    keys.map(({ old }) => old),
    keys.map(({ encrypted }) => encrypted),
  ]);
}

const end = `
UPDATE sender_keys SET not_after = now() + $3::double precision * interval '1 ms', changed_at = clock_timestamp()
WHERE sender = $1 AND key_id <> $2 AND ${state} = 'live'
  AND (not_after IS NULL OR not_after > now() + $3::double precision * interval '1 ms')`;

/** Lets the sender's other live keys end after so many milliseconds, unless they end before. */
export async function endOtherKeys(query: Query, { sender, keyId }: SenderKey, after: number): Promise<void> {
  await query(end, [sender, keyId, after]);
}

const revoke = `
UPDATE sender_keys SET revoked_at = now(), changed_at = clock_timestamp()
WHERE sender = $1 AND ($2::text IS NULL OR key_id = $2) AND revoked_at IS NULL
RETURNING key_id AS "keyId"`;

/** Revokes a key of a sender, or all of them. Returns the ids of those that were not revoked before. */
export async function revokeSenderKeys(
  query: Query,
  sender: string,
  keyId: string | undefined,
): Promise<string[]> {
  const rows = await query<{ keyId: string }>(revoke, [sender, keyId ?? null]);
  return rows.map((row) => row.keyId);
}

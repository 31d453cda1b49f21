import { cipherKeyOf, encrypt } from '../../src/core/message/codecs/trove-secure.ts';
import type { TestDatabase } from './database.ts';

/** Trove's secure form, as its guests write it. */

/** What the tests' deployment encrypts the instances' keys under. */
export const encryptionKey = 'a deployment’s own secret';

export interface SealOptions {
  /** The instance that each part names; those of single arguments over it. */
  readonly instance: string;
  readonly key: string;
  /** Arguments that stand in plain text, or as they are given here. */
  readonly raw?: Readonly<Record<string, unknown>>;
  readonly context?: object | false;
  readonly more?: object;
}

/** A message's body. */
export function seal(
  method: string,
  args: object,
  { instance, key, raw = {}, context = { user: 'u1', project_id: 't1' }, more = {} }: SealOptions,
): string {
  const message = {
    method,
    args: {
      ...Object.fromEntries(
        Object.entries(args).map(([name, value]) => [name, entity(value, instance, key)]),
      ),
      ...raw,
    },
    version: '1.0',
    _unique_id: '0',
    ...(context === false
      ? { _context_user: 'u1' }
      : {
          _context_context: encrypt(JSON.stringify(context), cipherKeyOf(key)),
          '_context_csz-instance-id': instance,
        }),
    ...more,
  };
  return JSON.stringify({ 'oslo.version': '2.0', 'oslo.message': JSON.stringify(message) });
}

/** One argument's value. */
export function entity(value: unknown, instance: string, key: string): string {
  return JSON.stringify({
    entity: encrypt(JSON.stringify(value), cipherKeyOf(key)),
    'csz-instance-id': instance,
  });
}

/** Gives a known instance a key; null: as one that was made without. */
export async function storeKey(
  database: TestDatabase,
  instance: string,
  key: string | null,
  under = encryptionKey,
): Promise<void> {
  const encrypted = key === null ? null : encrypt(key, cipherKeyOf(under));
  await database.query('UPDATE instances SET encrypted_key = $2 WHERE id = $1', [instance, encrypted]);
}

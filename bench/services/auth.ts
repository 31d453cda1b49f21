import type { Destination } from '../load/publisher.ts';
import { keyOfKeys } from '../load/sealed-bodies.ts';
import { masterKey } from '../load/signed-bodies.ts';

/** The modes of `auth.mode` that a load can be sent in. */
export const authModes = ['none', 'subject', 'user-id', 'trove', 'hmac'] as const;

/** The key `auth` of a transport. Trove's mode needs a key. */
export function authOf(mode: string): Readonly<Record<string, unknown>> {
  return mode === 'trove' ? { mode, instRpcKeyEncrKey: keyOfKeys } : { mode };
}

/** The further keys of the configuration that a mode needs. With `user-id` all messages are of the user who signed in. */
export function grantsOf(mode: string, { url }: Destination): Readonly<Record<string, unknown>> {
  if (mode === 'hmac') return { keys: { masterKey } };
  if (mode !== 'user-id') return {};
  const user = decodeURIComponent(new URL(url).username) || 'guest';
  return { services: { [user]: { methods: '*' } } };
}

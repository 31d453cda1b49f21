import { anonymous } from './access.ts';
import type { Config } from './load.ts';
import type { ConfiguredTransport } from './transport-kind.ts';

/** The default of Trove's `inst_rpc_key_encr_key` (trove/common/cfg.py), known to everybody. */
const publicKey = 'emYjgHFqfXNB1NGehAFIUeoyw4V4XwWHEaKP';

/** Warnings about a transport's configuration, before it runs. One line each. */
export function warningsOf(
  { options, printable }: ConfiguredTransport,
  { access, notifications, adopt }: Config,
): string[] {
  const warnings: string[] = [];
  const { auth, codec } = options;
  if (auth.mode === 'none') {
    warnings.push(
      'auth.mode is none: any sender may report for any instance (docs/security.md says how to prove senders)',
    );
    if (access.services.has(anonymous))
      warnings.push('services.anonymous: everybody who can send to this transport has its grants');
  }
  if (auth.instRpcKeyEncrKey === publicKey)
    warnings.push(
      "auth.instRpcKeyEncrKey is Trove's public default: a reader of the database can send as any guest",
    );
  if (codec === 'oslo' && notifications.topic === '')
    warnings.push('notifications.topic is empty: the notifications of guests are not published');
  const { sessionExpiry } = printable;
  if (typeof sessionExpiry === 'number' && sessionExpiry * 1000 <= adopt.after)
    warnings.push(
      'sessionExpiry is not longer than adopt.after: the broker drops the messages of a replica that is gone before a peer takes them over',
    );
  return warnings;
}

import { oneOf, type Section } from '../options.ts';
import { milliseconds } from './formats.ts';

/** How a transport proves the sender of a message. `none`: it trusts the message. */
export type AuthMode = 'none' | 'subject' | 'user-id' | 'trove' | 'hmac';

/** The options under `auth` of a transport, with the modes that its kind can prove. */
export function authSchema(modes: ReadonlyArray<AuthMode>) {
  return {
    mode: {
      doc: "The proof of a sender. `subject`: the last part of the address. `user-id`: the property that the broker checks. `trove`: the key that encrypts Trove's secure form. `hmac`: a signature with a key of the sender ([protocol.md](protocol.md#signed-messages)). `none`: no proof.",
      default: 'none' as AuthMode,
      format: [...modes, 'hmac'],
    },
    iKnow: {
      doc: '`anyone-may-report`: you know that with mode `none` each sender can report about each instance. Without it, a replica refuses mode `none` on a broker that is not on its own machine.',
      ...oneOf('', 'anyone-may-report'),
    },
    instRpcKeyEncrKey: {
      doc: "For mode `trove`: the key that encrypts `instances.encrypted_key`, which is `inst_rpc_key_encr_key` in trove.conf. Trove's default is public, so the conductor has no default. If trove.conf does not set it, set a key of your own there.",
      default: '',
      sensitive: true,
    },
    maxAge: {
      doc: 'For mode `hmac`: milliseconds for which a signed cast is valid. Let it be longer than the longest time that messages wait on the broker. A signed call is valid for five minutes.',
      default: 86_400_000,
      format: milliseconds,
    },
    key: {
      doc: 'For a guest or a service that signs, with mode `hmac`: the line that `conductor keys create` prints.',
      default: '',
      sensitive: true,
    },
    keyFile: { doc: 'A file whose first line is `auth.key`.', default: '' },
  } satisfies Section;
}

/** The options about the keys of senders. */
export const keySections = {
  keys: {
    masterKey: {
      doc: 'The key that encrypts the keys in `sender_keys`, 32 bytes in base64 or hexadecimal: `openssl rand -base64 32`. Required if a transport has `auth.mode: hmac`.',
      default: '',
      sensitive: true,
    },
    masterKeyFile: { doc: 'A file whose first line is `keys.masterKey`.', default: '' },
    previousMasterKey: {
      doc: 'The master key before `keys.masterKey`, while it is replaced. Keys that are still encrypted under it open too. `conductor keys reencrypt` encrypts them under `keys.masterKey`.',
      default: '',
      sensitive: true,
    },
    previousMasterKeyFile: { doc: 'A file whose first line is `keys.previousMasterKey`.', default: '' },
    refresh: {
      doc: 'Milliseconds after which a worker thread looks for changed keys. A revoked key is refused after this time at the latest.',
      default: 2000,
      format: milliseconds,
    },
  },
} satisfies Section;

import { ConfigError } from '../errors.ts';
import { readMasterKey } from '../message/sender-key.ts';
import { firstLineOf } from '../transport/security.ts';
import { shown } from './names.ts';
import type { BaseConfig } from './schema.ts';
import type { CommonOptions, ConfiguredTransport } from './transport-kind.ts';

/** Checks of the options that say how senders are proven. They concern a replica, not a command that only sends. */

/** The master keys from their files, so that they are masked in the log as any secret. Throws ConfigError. */
export function withMasterKeys({ keys, ...base }: BaseConfig): BaseConfig {
  const masterKey = masterKeyOf(keys, 'masterKey');
  const previousMasterKey = masterKeyOf(keys, 'previousMasterKey');
  return { ...base, keys: { ...keys, masterKey, previousMasterKey } };
}

function masterKeyOf(keys: BaseConfig['keys'], name: 'masterKey' | 'previousMasterKey'): string {
  const file = keys[`${name}File`];
  const masterKey = (file === '' ? keys[name] : firstLineOf(file, `keys.${name}File`)).trim();
  if (masterKey !== '' && readMasterKey(masterKey) === undefined) {
    const key = file === '' ? `keys.${name}` : `keys.${name}File: ${file}`;
    throw new ConfigError(
      `${key}: must be 32 bytes in base64 or hexadecimal; make one with: openssl rand -base64 32`,
      { code: 'master-key' },
    );
  }
  return masterKey;
}

/** Refuses mode `none` on a broker that others can reach, and mode `hmac` without a master key. Throws ConfigError. */
export function checkSenders({
  transports,
  keys,
}: Pick<BaseConfig, 'keys'> & { readonly transports: ReadonlyArray<ConfiguredTransport> }): void {
  for (const { name, options } of transports) {
    const key = `transports.${shown(name)}.auth`;
    const { mode, iKnow } = options.auth;
    if (mode === 'hmac' && keys.masterKey === '')
      throw new ConfigError(
        `keys.masterKey: is required with ${key}.mode hmac: 32 bytes in base64, from openssl rand -base64 32`,
        { code: 'master-key' },
      );
    const remote = mode === 'none' && iKnow === '' ? remoteHost(options) : undefined;
    if (remote !== undefined)
      throw new ConfigError(
        `${key}.mode: is none, so anyone who can publish on ${remote} can report about each instance. Prove the senders ` +
          '(docs/security.md says how), or set auth.iKnow: anyone-may-report beside it',
        { code: 'unproven-senders' },
      );
  }
}

/** The first host of the transport that is not this machine; undefined if there is none, or the kind has no `url`. */
function remoteHost(options: CommonOptions): string | undefined {
  const url = 'url' in options ? options.url : undefined;
  if (typeof url !== 'string') return undefined;
  const hosts = url.split(',').map((one) => URL.parse(one.trim())?.hostname ?? '');
  return hosts.find((host) => host !== '' && !isLoopback(host));
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '[::1]' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host);
}

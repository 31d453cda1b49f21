import { readFileSync } from 'node:fs';
import { createSecureContext } from 'node:tls';
import { ConfigError, messageOf } from '../core/errors.ts';

/** The content of the two files; undefined if both names are empty. Throws ConfigError if they cannot be used. */
export function readTls(
  names: Readonly<Record<'cert' | 'key', string>>,
): Record<'cert' | 'key', Buffer> | undefined {
  if (names.cert === '' && names.key === '') return undefined;
  const read = (key: 'cert' | 'key') => {
    if (names[key] === '')
      throw new ConfigError(`admin.tls.${key}: is required beside the other one of admin.tls`, {
        code: 'admin-tls',
      });
    try {
      return readFileSync(names[key]);
    } catch (error) {
      throw new ConfigError(`admin.tls.${key}: cannot read the file: ${messageOf(error)}`, {
        code: 'admin-tls',
        cause: error,
      });
    }
  };
  const pair = { cert: read('cert'), key: read('key') };
  try {
    createSecureContext(pair);
  } catch (error) {
    throw new ConfigError(
      `admin.tls: the certificate and the key cannot be used together: ${messageOf(error)}`,
      { code: 'admin-tls', cause: error },
    );
  }
  return pair;
}

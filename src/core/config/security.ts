import { readFileSync } from 'node:fs';
import { ConfigError, messageOf } from '../errors.ts';

/** Credentials and TLS: the same keys on every transport. */
export interface SecurityOptions {
  user: string;
  password: string;
  passwordFile: string;
  tls: { ca: string; cert: string; key: string; serverName: string; verify: boolean };
}

export const securitySchema = {
  user: { doc: 'Goes before the user in `url`.', default: '' },
  password: { doc: 'Goes before the password in `url`.', default: '', sensitive: true },
  passwordFile: {
    doc: 'A file whose first line is the password, as container platforms mount secrets.',
    default: '',
  },
  tls: {
    ca: {
      doc: "A PEM file with the authorities that may sign the broker's certificate. Empty: those that Node knows.",
      default: '',
    },
    cert: { doc: 'A PEM file with the certificate to prove ourselves with.', default: '' },
    key: { doc: 'A PEM file with the key of `tls.cert`.', default: '' },
    serverName: {
      doc: "The name that the broker's certificate has to have. Empty: the host in `url`.",
      default: '',
    },
    verify: {
      doc: "Off: any certificate of the broker's is taken, so whoever stands in between reads everything. For trials.",
      default: true,
    },
  },
};

/** Reads the password's file, so that from here on it is a secret like any other. */
export function withPasswordFile<Options extends SecurityOptions>(options: Options, prefix: string): Options {
  if (options.passwordFile === '') return options;
  const [password = ''] = readNamed(options.passwordFile, `${prefix}passwordFile`)
    .toString('utf8')
    .split(/\r?\n/);
  if (password === '') throw new ConfigError(`${prefix}passwordFile: ${options.passwordFile} is empty`);
  return { ...options, password };
}

export interface Credentials {
  readonly user: string;
  readonly password: string;
}

/** Who to sign in as: the options of their own, else what the URL says; undefined where neither names anybody. */
export function credentialsOf({ user, password }: SecurityOptions, url: string): Credentials | undefined {
  const parsed = URL.parse(url);
  const credentials = {
    user: user || decodeURIComponent(parsed?.username ?? ''),
    password: password || decodeURIComponent(parsed?.password ?? ''),
  };
  return credentials.user === '' && credentials.password === '' ? undefined : credentials;
}

/** What Node's `tls.connect` takes, and every client library with it. */
export interface TlsOptions {
  readonly ca?: Buffer;
  readonly cert?: Buffer;
  readonly key?: Buffer;
  readonly servername?: string;
  readonly rejectUnauthorized: boolean;
}

/**
 * What a TLS connection is made with. The files are read each time, so that a renewed certificate counts from the next
 * connection on. Throws ConfigError with the key of a file that cannot be read.
 */
export function tlsOptions({ tls }: SecurityOptions): TlsOptions {
  return {
    ...(tls.ca !== '' && { ca: readNamed(tls.ca, 'tls.ca') }),
    ...(tls.cert !== '' && { cert: readNamed(tls.cert, 'tls.cert') }),
    ...(tls.key !== '' && { key: readNamed(tls.key, 'tls.key') }),
    ...(tls.serverName !== '' && { servername: tls.serverName }),
    rejectUnauthorized: tls.verify,
  };
}

function readNamed(file: string, key: string): Buffer {
  try {
    return readFileSync(file);
  } catch (error) {
    throw new ConfigError(`${key}: cannot read the file: ${messageOf(error)}`);
  }
}

import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { checkServerIdentity, createSecureContext, type PeerCertificate } from 'node:tls';
import { ConfigError, messageOf } from '../errors.ts';
import type { Section, ValuesOf } from '../options.ts';

/** Credentials and TLS: the same keys on every transport. */
export const securitySchema = {
  user: { doc: 'The user. It overrides the user in `url`.', default: '' },
  password: { doc: 'The password. It overrides the password in `url`.', default: '', sensitive: true },
  passwordFile: {
    doc: 'A file whose first line is the password, as container platforms mount secrets. The replica reads it at each connection.',
    default: '',
  },
  tls: {
    ca: {
      doc: "A PEM file with the authorities that may sign the broker's certificate. Empty: the authorities that Node knows.",
      default: '',
    },
    cert: { doc: 'A PEM file with the client certificate.', default: '' },
    key: { doc: 'A PEM file with the key of `tls.cert`, not encrypted.', default: '' },
    serverName: {
      doc: "The name that the broker's certificate must have. Empty: the host in `url`.",
      default: '',
    },
    verify: {
      doc: '`false`: the replica accepts any certificate, so an attacker between it and the broker can read everything. Only for trials.',
      default: true,
    },
  },
} satisfies Section;

export type SecurityOptions = ValuesOf<typeof securitySchema>;

/**
 * Reads the password file at start, so that a missing file is refused at once and the password is masked in the log. Each connection
 * reads it again (`credentialsOf`).
 */
export function withPasswordFile<Options extends SecurityOptions>(options: Options, prefix: string): Options {
  if (options.passwordFile === '') return options;
  return { ...options, password: firstLineOf(options.passwordFile, `${prefix}passwordFile`) };
}

/**
 * The first line of a file that holds a secret. Throws ConfigError.
 *
 * @param key the option, for an error.
 */
export function firstLineOf(file: string, key: string): string {
  const [line = ''] = readNamed(file, key).toString('utf8').split(/\r?\n/);
  if (line === '') throw new ConfigError(`${key}: ${file} is empty`, { code: 'named-file' });
  return line;
}

export interface Credentials {
  readonly user: string;
  readonly password: string;
}

/**
 * The user and password to sign in with: those of the options `user`, `password` and `passwordFile`, otherwise those of the URL.
 * Undefined if neither has any. Call it for each connection: it reads the file each time, so a changed password counts from the next
 * connection on. Throws ConfigError if the file cannot be read.
 *
 * @param url the one address that is connected to, as `connectToFirst` passes it; not a list.
 */
export function credentialsOf(
  { user, password: configured, passwordFile }: SecurityOptions,
  url: string,
): Credentials | undefined {
  const password = passwordFile === '' ? configured : firstLineOf(passwordFile, 'passwordFile');
  const parsed = URL.parse(url);
  const credentials = {
    user: user || decodeURIComponent(parsed?.username ?? ''),
    password: password || decodeURIComponent(parsed?.password ?? ''),
  };
  return credentials.user === '' && credentials.password === '' ? undefined : credentials;
}

/** Options of Node's `tls.connect`. All client libraries pass them on. */
export interface TlsOptions {
  readonly ca?: Buffer;
  readonly cert?: Buffer;
  readonly key?: Buffer;
  readonly servername?: string;
  readonly checkServerIdentity?: (host: string, certificate: PeerCertificate) => Error | undefined;
  readonly rejectUnauthorized: boolean;
}

/**
 * The options of a TLS connection. Reads the files each time, so that a renewed certificate counts from the next connection on.
 * Throws ConfigError with the key of a file that cannot be read or has the wrong content.
 */
export function tlsOptions({ tls }: SecurityOptions): TlsOptions {
  const ca = pemOf(tls.ca, 'tls.ca');
  const cert = pemOf(tls.cert, 'tls.cert');
  const key = pemOf(tls.key, 'tls.key');
  for (const [one, name, file] of [
    [ca, 'tls.ca', tls.ca],
    [cert, 'tls.cert', tls.cert],
  ] as const) {
    if (one !== undefined) attempt(() => new X509Certificate(one), `${name}: ${file} holds no certificate`);
  }
  if ((cert === undefined) !== (key === undefined))
    throw new ConfigError(`tls.${cert ? 'key' : 'cert'}: is required beside tls.${cert ? 'cert' : 'key'}`);
  if (cert !== undefined && key !== undefined) {
    attempt(() => createSecureContext({ cert, key }), `tls.key: ${tls.key} is not the key of tls.cert`);
    const { validTo } = new X509Certificate(cert);
    if (Date.parse(validTo) < Date.now())
      throw new ConfigError(`tls.cert: the certificate in ${tls.cert} expired on ${validTo}`);
  }
  return {
    ...(ca !== undefined && { ca }),
    ...(cert !== undefined && { cert }),
    ...(key !== undefined && { key }),
    ...(tls.serverName !== '' && serverNameOptions(tls.serverName)),
    rejectUnauthorized: tls.verify,
  };
}

/** An IP address may not stand in the server name extension (RFC 6066, section 3), but it may stand in a certificate. */
function serverNameOptions(name: string): Pick<TlsOptions, 'servername' | 'checkServerIdentity'> {
  if (isIP(name) === 0) return { servername: name };
  return { checkServerIdentity: (_host, certificate) => checkServerIdentity(name, certificate) };
}

function pemOf(file: string, key: string): Buffer | undefined {
  return file === '' ? undefined : readNamed(file, key);
}

function attempt(parse: () => unknown, failure: string): void {
  try {
    parse();
  } catch (error) {
    throw new ConfigError(`${failure}: ${messageOf(error)}`, { cause: error });
  }
}

function readNamed(file: string, key: string): Buffer {
  try {
    return readFileSync(file);
  } catch (error) {
    throw new ConfigError(`${key}: cannot read the file: ${messageOf(error)}`, { code: 'named-file' });
  }
}

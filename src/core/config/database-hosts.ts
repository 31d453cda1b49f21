import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { ConfigError, codeOf, messageOf, NotConnected } from '../errors.ts';
import { type DatabaseUrl, parseDatabaseUrl } from './database-url.ts';

/** The address of a database, and its password. */
export interface DatabaseAddress {
  readonly url: string;
  /** A file whose first line is the password, read at each connection. Left out or empty: the password is in the URL. */
  readonly passwordFile?: string;
}

/** One way to reach one of the servers that the URL names. */
export interface DatabaseTarget {
  /** Its place among the hosts. */
  readonly host: number;
  /** With TLS or without; undefined where the URL does not say. */
  readonly tls: boolean | undefined;
}

/** The options of a client of node-postgres. */
export interface TargetOptions {
  readonly host?: string;
  readonly port?: number;
  readonly user?: string;
  readonly database?: string;
  readonly password?: string | (() => Promise<string>);
  readonly ssl?: false | TargetTls;
  readonly sslnegotiation?: 'direct';
  readonly enableChannelBinding?: true;
  readonly options?: string;
}

interface TargetTls {
  readonly ca?: Buffer;
  readonly cert?: Buffer;
  readonly key?: Buffer;
  readonly passphrase?: string;
  readonly rejectUnauthorized?: false;
  readonly checkServerIdentity?: () => undefined;
}

/** The first query on a new connection. It tells which server, and which pooler, the connection leads to. */
export const sessionQuestion = `SELECT pg_backend_pid() AS pid, pg_is_in_recovery() AS standby,
  current_setting('transaction_read_only') = 'on' AS "readOnly"`;

export interface SessionAnswer {
  readonly pid: number;
  readonly standby: boolean;
  readonly readOnly: boolean;
}

/**
 * The servers that a URL names. The current one was reached last, or is tried next. If `sslmode` allows a server with TLS and without,
 * it is two targets.
 */
export class DatabaseHosts {
  readonly targets: ReadonlyArray<DatabaseTarget>;
  private readonly address: DatabaseAddress;
  private readonly url: DatabaseUrl;
  private place = 0;

  constructor(address: DatabaseAddress) {
    this.address = address;
    this.url = parseDatabaseUrl(address.url);
    this.targets = this.url.hosts.flatMap((_, host) => waysOf(this.url).map((tls) => ({ host, tls })));
  }

  get current(): DatabaseTarget {
    const target = this.targets[this.place];
    if (target === undefined) throw new Error('a URL without a host');
    return target;
  }

  /**
   * The options for a connection. Files are read each time, so that a renewed certificate counts from the next connection on. Throws
   * ConfigError with the parameter if a file cannot be used.
   */
  optionsOf({ host, tls }: DatabaseTarget): TargetOptions {
    const { url } = this;
    const { host: name = '', port } = url.hosts[host] ?? {};
    return {
      ...(name !== '' && { host: name }),
      ...(port !== undefined && { port }),
      ...(url.user !== undefined && { user: url.user }),
      ...(url.database !== undefined && { database: url.database }),
      ...this.password(),
      ...(tls !== undefined && { ssl: tls && tlsOf(url) }),
      ...(tls === true && url.directTls && { sslnegotiation: 'direct' }),
      ...(url.channelBinding && { enableChannelBinding: true }),
      ...(url.options !== undefined && { options: url.options }),
    };
  }

  /** Goes on to the next target, if this one is still the current one: several connections may find out at once. */
  failed(target: DatabaseTarget, error: unknown): void {
    if (target !== this.current) return;
    const { length: ways } = waysOf(this.url);
    const way = this.place % ways;
    // The same server is tried with TLS, or without, only if the error is about TLS.
    const sameHost = way + 1 < ways && concernsTls(error);
    this.place = (sameHost ? this.place + 1 : this.place - way + ways) % this.targets.length;
  }

  /** Why a server that has been reached will not do; undefined if it will. */
  unfit({ host }: DatabaseTarget, { standby, readOnly }: SessionAnswer): NotConnected | undefined {
    const { session, hosts } = this.url;
    if (session === 'any' || !(standby || (readOnly && session === 'read-write'))) return undefined;
    const { host: name, port = 5432 } = hosts[host] ?? {};
    const what = standby ? 'a standby' : 'read-only';
    return new NotConnected(`${name}:${port} is ${what}, and target_session_attrs is ${session}`);
  }

  private password(): Pick<TargetOptions, 'password'> {
    const { passwordFile = '' } = this.address;
    if (passwordFile !== '') return { password: () => readPassword(passwordFile) };
    return this.url.password === undefined ? {} : { password: this.url.password };
  }
}

/** With TLS or without, in order of preference. */
function waysOf({ sslMode }: DatabaseUrl): ReadonlyArray<boolean | undefined> {
  switch (sslMode) {
    case undefined:
      return [undefined];
    case 'disable':
      return [false];
    case 'allow':
      return [false, true];
    case 'prefer':
      return [true, false];
    default:
      return [true];
  }
}

const noTls = 'The server does not support SSL connections';

/** Whether the other way, with TLS or without, may be let in where this one was not. */
function concernsTls(error: unknown): boolean {
  const code = codeOf(error) ?? '';
  // 28000: the server lets this user in with TLS only, or without only.
  return code === '28000' || messageOf(error) === noTls || tlsAdvice(error) !== undefined;
}

function tlsOf({ sslMode, files, sslPassword }: DatabaseUrl): TargetTls {
  const ca = files.sslrootcert === 'system' ? undefined : certificateOf('sslrootcert', files.sslrootcert);
  const cert = certificateOf('sslcert', files.sslcert);
  const key = pemOf('sslkey', files.sslkey);
  if ((cert === undefined) !== (key === undefined))
    throw new ConfigError(`database.url: ${cert ? 'sslkey' : 'sslcert'}: is required beside the other`);
  return {
    ...(ca !== undefined && { ca }),
    ...(cert !== undefined && { cert }),
    ...(key !== undefined && { key }),
    ...(sslPassword !== undefined && { passphrase: sslPassword }),
    // As libpq has it: with an authority of its own the certificate is checked in every mode, its name in the last only.
    ...(sslMode !== 'verify-full' && files.sslrootcert === undefined && { rejectUnauthorized: false }),
    ...(sslMode !== 'verify-full' && { checkServerIdentity: () => undefined }),
  };
}

function certificateOf(parameter: string, file: string | undefined): Buffer | undefined {
  const pem = pemOf(parameter, file);
  if (pem === undefined) return undefined;
  try {
    new X509Certificate(pem);
  } catch (error) {
    throw new ConfigError(`database.url: ${parameter}: ${file} holds no certificate: ${messageOf(error)}`, {
      cause: error,
    });
  }
  return pem;
}

function pemOf(parameter: string, file: string | undefined): Buffer | undefined {
  if (file === undefined) return undefined;
  try {
    return readFileSync(file);
  } catch (error) {
    throw new ConfigError(`database.url: ${parameter}: cannot read the file: ${messageOf(error)}`, {
      cause: error,
    });
  }
}

async function readPassword(file: string): Promise<string> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    throw new ConfigError(`database.passwordFile: cannot read the file: ${messageOf(error)}`, {
      code: 'named-file',
      cause: error,
    });
  }
  const [password = ''] = text.split(/\r?\n/);
  if (password === '')
    throw new ConfigError(`database.passwordFile: ${file} is empty`, { code: 'named-file' });
  return password;
}

/** The parameter to write in the URL if the two sides do not agree on TLS; undefined for any other error. */
export function tlsAdvice(error: unknown): string | undefined {
  if (messageOf(error) === noTls) return 'The server does no TLS: write sslmode=prefer or sslmode=disable.';
  const code = codeOf(error) ?? '';
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID')
    return 'Its certificate has another name: correct the host, or write sslmode=verify-ca.';
  if (/CERT|^UNABLE_TO_(GET|VERIFY)|^INVALID_CA$/.test(code) && !code.startsWith('ERR_'))
    return 'Name the authority that has signed its certificate in sslrootcert.';
  return code.startsWith('ERR_SSL_') ? 'Look at sslmode, sslrootcert, sslcert and sslkey.' : undefined;
}

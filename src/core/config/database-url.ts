/** Reads the URL of a database in libpq's meaning (PostgreSQL manual, "Connection URIs"). */

const sslModes = ['disable', 'allow', 'prefer', 'require', 'verify-ca', 'verify-full'] as const;
export type SslMode = (typeof sslModes)[number];

/** Which of several servers will do: any that answers, one that can be written, or one that is no standby. */
const sessionKinds = ['any', 'read-write', 'primary'] as const;
export type SessionKind = (typeof sessionKinds)[number];

export interface DatabaseUrl {
  /** At least one. An empty name or an undefined port is the client library's default. */
  readonly hosts: ReadonlyArray<{ readonly host: string; readonly port: number | undefined }>;
  readonly user: string | undefined;
  readonly password: string | undefined;
  readonly database: string | undefined;
  /** Undefined: the URL does not say. */
  readonly sslMode: SslMode | undefined;
  /** The files of certificates, by the parameters that name them. */
  readonly files: {
    readonly sslrootcert: string | undefined;
    readonly sslcert: string | undefined;
    readonly sslkey: string | undefined;
  };
  readonly sslPassword: string | undefined;
  /** Whether TLS begins at once, without asking the server for it first. */
  readonly directTls: boolean;
  readonly channelBinding: boolean;
  readonly session: SessionKind;
  /** Command line options for the server's session. */
  readonly options: string | undefined;
}

/** These parameters are accepted and have no effect: the setting has a key of its own, or is fixed. */
const withoutEffect: ReadonlySet<string> = new Set([
  'application_name',
  'client_encoding',
  'connect_timeout',
  'encoding',
  'fallback_application_name',
  'gssencmode',
  'idle_in_transaction_session_timeout',
  'keepalives',
  'keepalives_count',
  'keepalives_idle',
  'keepalives_interval',
  'load_balance_hosts',
  'lock_timeout',
  'query_timeout',
  'sslcompression',
  'sslsni',
  'statement_timeout',
  'synchronous_commit',
  'tcp_user_timeout',
  'uselibpqcompat',
]);

const withEffect: ReadonlySet<string> = new Set([
  'channel_binding',
  'dbname',
  'host',
  'options',
  'password',
  'port',
  'ssl',
  'sslcert',
  'sslkey',
  'sslmode',
  'sslnegotiation',
  'sslpassword',
  'sslrootcert',
  'target_session_attrs',
  'user',
]);

const expected = 'a URL that starts with postgresql:// or postgres://';

/** The format of `database.url`. */
export function databaseUrl(value: unknown): void {
  if (typeof value !== 'string' || value === '') throw new Error(`is required: ${expected}`);
  parseDatabaseUrl(value);
}

/** Throws Error. The caller puts the key in front of its message. The message never has a secret in it. */
export function parseDatabaseUrl(url: string): DatabaseUrl {
  const [, userInfo, hostList = '', path, query = ''] = splitUrl(url);
  const parameters = readParameters(query);
  const given = (name: string) => parameters.get(name) || undefined;
  const [user, password] = userInfo === undefined ? [] : splitOnce(userInfo, ':');
  const hosts = readHosts(given('host') ?? hostList, given('port'));
  const attributes = given('target_session_attrs') ?? (hosts.length > 1 ? 'read-write' : 'any');
  return {
    hosts,
    user: given('user') ?? decode(user, 'user or password'),
    password: given('password') ?? decode(password, 'user or password'),
    database: given('dbname') ?? decode(path, 'path'),
    sslMode: readSslMode(parameters),
    files: {
      sslrootcert: given('sslrootcert'),
      sslcert: given('sslcert'),
      sslkey: given('sslkey'),
    },
    sslPassword: given('sslpassword'),
    directTls:
      oneOf('sslnegotiation', given('sslnegotiation') ?? 'postgres', ['postgres', 'direct']) === 'direct',
    channelBinding:
      oneOf('channel_binding', given('channel_binding') ?? 'prefer', ['disable', 'prefer', 'require']) ===
      'require',
    session: oneOf('target_session_attrs', attributes, sessionKinds, ': the conductor writes'),
    options: given('options'),
  };
}

/** The user's and the host's part end at the last @ before the path: a password may have one in it. */
function splitUrl(url: string): ReadonlyArray<string | undefined> {
  const parts = /^postgres(?:ql)?:\/\/(?:([^/?]*)@)?([^/?@]*)(?:\/([^?]*))?(?:\?(.*))?$/s.exec(url);
  if (parts === null) throw new Error(`must be ${expected}`);
  return parts;
}

function splitOnce(text: string, separator: string): [string, string | undefined] {
  const at = text.indexOf(separator);
  return at === -1 ? [text, undefined] : [text.slice(0, at), text.slice(at + separator.length)];
}

function decode(text: string | undefined, where: string): string | undefined {
  if (text === undefined || text === '') return undefined;
  try {
    return decodeURIComponent(text);
  } catch {
    throw new Error(`must have a % in its ${where} written as %25`);
  }
}

function readParameters(query: string): ReadonlyMap<string, string> {
  const parameters = new Map<string, string>();
  for (const part of query.split('&')) {
    if (part === '') continue;
    const [name, value] = splitOnce(part, '=');
    if (!withEffect.has(name) && !withoutEffect.has(name))
      throw new Error(`has the parameter ${name}, which the conductor does not know; leave it out`);
    // libpq takes a + as it is, unlike HTML forms. In options it can only be the blank that programs write so.
    const written = name === 'options' ? value?.replaceAll('+', ' ') : value;
    parameters.set(name, decode(written, `parameter ${name}`) ?? '');
  }
  return parameters;
}

function readHosts(list: string, ports: string | undefined): DatabaseUrl['hosts'] {
  const names = list.split(',');
  const portList = ports?.split(',') ?? [];
  if (portList.length > 1 && portList.length !== names.length)
    throw new Error(`names ${names.length} hosts and ${portList.length} ports`);
  return names.map((name, index) => {
    const [, address = '', own] = /^(\[[^\]]*\]|[^:]*)(?::(\d*))?$/.exec(name) ?? [];
    if (address === '' && name !== '' && own === undefined)
      throw new Error('must have its hosts written as host:port,host:port');
    const host = decode(address, 'host') ?? '';
    return {
      host: host.replace(/^\[(.*)\]$/, '$1'),
      port: readPort(own || portList[index] || portList[0]),
    };
  });
}

function readPort(text: string | undefined): number | undefined {
  if (text === undefined || text === '') return undefined;
  const port = Number(text);
  if (!Number.isInteger(port) || port < 1 || port > 65_535)
    throw new Error('must have ports from 1 to 65535');
  return port;
}

function readSslMode(parameters: ReadonlyMap<string, string>): SslMode | undefined {
  const ssl = parameters.get('ssl');
  const mode = parameters.get('sslmode');
  // Both are node-postgres's own.
  if (mode === 'no-verify') return 'require';
  if (mode === undefined && ssl !== undefined)
    return ['true', '1'].includes(ssl) ? 'verify-full' : ssl === 'no-verify' ? 'require' : 'disable';
  const read = mode === undefined || mode === '' ? undefined : oneOf('sslmode', mode, sslModes);
  if (read === 'verify-ca' && !parameters.get('sslrootcert'))
    throw new Error('has sslmode=verify-ca, which needs sslrootcert: the file with the authority');
  return read;
}

function oneOf<Name extends string>(
  parameter: string,
  value: string,
  names: ReadonlyArray<Name>,
  why = '',
): Name {
  const found = names.find((name) => name === value);
  if (found === undefined) throw new Error(`has a ${parameter} that is not one of ${names.join(', ')}${why}`);
  return found;
}

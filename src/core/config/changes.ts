import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { ConfigError, messageOf } from '../errors.ts';
import { isObject } from '../json.ts';
import { tlsOptions } from '../transport/security.ts';
import { parseDatabaseUrl } from './database-url.ts';
import type { Config } from './load.ts';
import type { ConfiguredTransport } from './transport-kind.ts';

/** A configuration, with digests of the files that it names for credentials and certificates, by their keys. */
export interface Snapshot {
  readonly config: Config;
  readonly files: ReadonlyMap<string, string>;
}

/** The keys whose values differ. */
export interface Changes {
  /** A running replica can take these over. */
  readonly live: ReadonlyArray<string>;
  /** These count after a restart. */
  readonly restart: ReadonlyArray<string>;
}

/** Reads the files. A file that cannot be read has a digest of its own. */
export function snapshotOf(config: Config): Snapshot {
  const files = namedFiles(config).map(([key, file]) => [key, digestOf(file)] as const);
  return { config, files: new Map(files) };
}

/** Throws ConfigError with the key of a file that cannot be used. */
export function checkFiles(config: Config): void {
  for (const [key, file] of namedFiles(config)) {
    try {
      if (file !== '') readFileSync(file);
    } catch (error) {
      throw new ConfigError(`${key}: cannot read the file: ${messageOf(error)}`, {
        code: 'named-file',
        cause: error,
      });
    }
  }
  for (const { name, options } of config.transports) {
    try {
      tlsOptions(options);
    } catch (error) {
      if (error instanceof ConfigError)
        throw new ConfigError(`transports.${name}.${error.message}`, { code: error.code });
      throw error;
    }
  }
}

/** The changed keys. If one change of a transport needs a restart, all of its changes do. */
export function changesBetween(before: Snapshot, after: Snapshot): Changes {
  const live: string[] = [];
  const restart: string[] = [];
  const sort = (keys: ReadonlyArray<string>, isLive: boolean) => (isLive ? live : restart).push(...keys);
  const [old, next] = [before.config, after.config];
  const files = changedKeys(Object.fromEntries(before.files), Object.fromEntries(after.files));
  for (const key of changedKeys(baseOf(old), baseOf(next))) sort([key], isLiveInBase(key, old, next));
  sort(
    files.filter((key) => key.startsWith('database.')),
    true,
  );
  const names = new Set([...old.transports, ...next.transports].map(({ name }) => name));
  for (const name of names) {
    const [one, other] = [transportOf(old, name), transportOf(next, name)];
    if (one === undefined || other === undefined) {
      sort([`transports.${name}`], false);
      continue;
    }
    const keys = changedKeys(one.options, other.options).filter((key) => !isFromFile(key, other));
    const isLive = keys.every((key) => isLiveInTransport(key, one, other));
    const prefix = `transports.${name}.`;
    sort([...keys.map((key) => prefix + key), ...files.filter((key) => key.startsWith(prefix))], isLive);
  }
  return { live: [...new Set(live)], restart: [...new Set(restart)] };
}

/** `before` with the changes that a running replica can take over. */
export function merged(before: Snapshot, after: Snapshot, changes: Changes): Snapshot {
  const files = [...after.files].map(
    ([key, digest]) => [key, changes.restart.includes(key) ? (before.files.get(key) ?? '') : digest] as const,
  );
  return { config: mergedConfig(before.config, after.config, changes), files: new Map(files) };
}

function mergedConfig(before: Config, after: Config, { live }: Changes): Config {
  const has = (key: string) => live.includes(key);
  const access = has('models') || has('services');
  return {
    ...before,
    ...(access && { models: after.models, services: after.services, access: after.access }),
    ...(has('log.level') && { log: after.log }),
    database: {
      ...before.database,
      ...(has('database.url') && { url: after.database.url }),
      ...(has('database.passwordFile') && { passwordFile: after.database.passwordFile }),
    },
    transports: before.transports.map((old) => {
      const isLive = live.some((key) => key.startsWith(`transports.${old.name}.`));
      return (isLive && transportOf(after, old.name)) || old;
    }),
  };
}

function transportOf({ transports }: Config, name: string): ConfiguredTransport | undefined {
  return transports.find((one) => one.name === name);
}

/** Each of these counts as one key, since its own keys are the deployer's names. */
const whole: ReadonlySet<string> = new Set(['models', 'services']);

function baseOf({ transports: _, access: __, ...base }: Config): object {
  return base;
}

function isLiveInBase(key: string, before: Config, after: Config): boolean {
  if (key === 'database.url') return placeOf(before.database.url) === placeOf(after.database.url);
  return whole.has(key) || key === 'log.level' || key === 'database.passwordFile';
}

/** The servers and the database of a URL, without the credentials. */
function placeOf(url: string): string {
  const { user: _, password: __, files: ___, sslPassword: ____, ...place } = parseDatabaseUrl(url);
  return JSON.stringify(place);
}

function isLiveInTransport(key: string, before: ConfiguredTransport, after: ConfiguredTransport): boolean {
  if (key !== 'url') return after.credentials.includes(key);
  return withoutUser(textAt(before.options, key)) === withoutUser(textAt(after.options, key));
}

/** URLs without user and password. */
function withoutUser(urls: string): string {
  return urls.replaceAll(/\/\/[^/?#@]*@/g, '//');
}

/** A password that comes from a file is the file's change. */
function isFromFile(key: string, { options }: ConfiguredTransport): boolean {
  return key === 'password' && options.passwordFile !== '';
}

/** The files of credentials and certificates, by their keys. An empty name is no file. */
function namedFiles({ database, transports }: Config): (readonly [key: string, file: string])[] {
  const ofUrl = Object.entries(parseDatabaseUrl(database.url).files);
  return [
    ['database.passwordFile', database.passwordFile],
    ...ofUrl.map(
      ([parameter, file = '']) => [`database.url (${parameter})`, file === 'system' ? '' : file] as const,
    ),
    ...transports.flatMap(({ name, options, credentials }) =>
      credentials
        .filter((key) => /File$|^tls\.(ca|cert|key)$/.test(key))
        .map((key) => [`transports.${name}.${key}`, textAt(options, key)] as const),
    ),
  ];
}

/** Only a digest is kept: a file may hold a secret. */
function digestOf(file: string): string {
  if (file === '') return '';
  try {
    return createHash('sha256').update(readFileSync(file)).digest('hex');
  } catch (error) {
    return messageOf(error);
  }
}

function textAt(values: object, path: string): string {
  const value = path
    .split('.')
    .reduce<unknown>((at, key) => (isObject(at) ? at[key] : undefined), { ...values });
  return typeof value === 'string' ? value : '';
}

/** The paths of the values that differ. */
function changedKeys(before: unknown, after: unknown, path: ReadonlyArray<string> = []): string[] {
  if (!whole.has(path.join('.')) && isObject(before) && isObject(after)) {
    const keys = new Set([...Object.keys(before), ...Object.keys(after)]);
    return [...keys].flatMap((key) => changedKeys(before[key], after[key], [...path, key]));
  }
  return JSON.stringify(before) === JSON.stringify(after) ? [] : [path.join('.')];
}

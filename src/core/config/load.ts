import { readFile } from 'node:fs/promises';
import { TextDecoder } from 'node:util';
import { ConfigError, codeOf, messageOf } from '../errors.ts';
import { isObject, type JsonObject, jsonTypeOf } from '../json.ts';
import { differingKeys } from '../options.ts';
import { type Access, readAccess } from './access.ts';
import { overlayEnvironment } from './environment.ts';
import { withKindModules } from './kind-modules.ts';
import { moduleUrl } from './module.ts';
import { shown } from './names.ts';
import { type BaseConfig, baseSchema } from './schema.ts';
import { maskValues, type Secret, secretsIn } from './secrets.ts';
import { checkSenders, withMasterKeys } from './senders.ts';
import type { ConfiguredTransport, TransportKind } from './transport-kind.ts';
import { configureTransports } from './transports.ts';
import { validate } from './validate.ts';
import { parseYaml } from './yaml.ts';

export interface Config extends BaseConfig {
  readonly transports: ReadonlyArray<ConfiguredTransport>;
  /** `models` and `services`, as they are looked up. */
  readonly access: Access;
}

/** The whole configuration, defaults included, with everything sensitive masked. */
export function printable({ transports, access: _, ...base }: Config): JsonObject {
  const entries = transports.map(({ name, printable }) => [name, printable]);
  return { ...maskValues(baseSchema, base), transports: Object.fromEntries(entries) };
}

/** The options that are not the defaults, and the kind of each transport, with their values as `printable` has them. */
export function differences(config: Config): (readonly [key: string, value: unknown])[] {
  const { transports, access: _, ...base } = config;
  const keys = [
    ...differingKeys(baseSchema, base).map((key) => key.split('.')),
    ...transports.flatMap(({ name, differing }) =>
      ['kind', ...differing].map((key) => ['transports', name, ...key.split('.')]),
    ),
  ];
  const values = printable(config);
  return keys.map((path) => [
    path.join('.'),
    path.reduce<unknown>((at, key) => (isObject(at) ? at[key] : undefined), values),
  ]);
}

/** The values of all sensitive options. */
export function secretsOf({ transports, access: _, ...base }: Config): Secret[] {
  return [...secretsIn(baseSchema, base), ...transports.flatMap(({ secrets }) => secrets)];
}

/**
 * Reads the file, loads the modules of the deployer's own kinds, applies the environment, and checks the result.
 *
 * @param kinds the protocols that an entry under `transports` may name beside its own module.
 * @throws ConfigError with one line: the key and the expected form.
 */
export async function loadConfig(
  file: string,
  environment: Record<string, string | undefined>,
  kinds: Readonly<Record<string, TransportKind>>,
): Promise<Config> {
  const { raw, all } = await readAll(file, environment, kinds);
  const config = checked(raw, file, all);
  checkSenders(config);
  return config;
}

/**
 * As `loadConfig`, for a command that only sends. A guest's file need not name a database.
 */
export async function loadSendingConfig(
  file: string,
  environment: Record<string, string | undefined>,
  kinds: Readonly<Record<string, TransportKind>>,
): Promise<Config> {
  const { raw, all } = await readAll(file, environment, kinds);
  // All else is checked. No command that sends connects to this database.
  const { database = {} } = raw;
  if (isObject(database)) raw.database = { url: 'postgresql://none', ...database };
  return checked(raw, file, all);
}

async function readAll(
  file: string,
  environment: Record<string, string | undefined>,
  kinds: Readonly<Record<string, TransportKind>>,
) {
  const raw = parseMap(await readText(file), file);
  const all = await withKindModules(raw, file, environment, kinds);
  overlayEnvironment(raw, environment, baseSchema, all);
  return { raw, all };
}

/** As `loadConfig`, from a text, and with these kinds only. */
export function parseConfig(
  text: string,
  file: string,
  environment: Record<string, string | undefined>,
  kinds: Readonly<Record<string, TransportKind>>,
): Config {
  const raw = parseMap(text, file);
  overlayEnvironment(raw, environment, baseSchema, kinds);
  return checked(raw, file, kinds);
}

function checked(raw: JsonObject, file: string, kinds: Readonly<Record<string, TransportKind>>): Config {
  const { transports = {}, ...base } = raw;
  if (!isObject(transports))
    throw new ConfigError(`transports: must be a map of names to transports, not ${jsonTypeOf(transports)}`);
  const values = withMasterKeys(validate(baseSchema, base, '', ['transports']));
  const config = {
    ...values,
    manager: values.manager === '' ? '' : managerUrl(values.manager, file),
    access: readAccess(values.models, values.services),
    transports: configureTransports(transports, kinds),
  };
  // Each share must admit one message at least.
  for (const key of ['maxInFlight', 'maxInFlightBytes'] as const) {
    if (config[key] < config.transports.length) {
      throw new ConfigError(`${key}: must be at least the number of transports, ${config.transports.length}`);
    }
  }
  const { publish } = config.transitions;
  if (publish !== '' && !config.transports.some(({ name }) => name === publish))
    throw new ConfigError(`transitions.publish: ${shown(publish)} is not a transport`);
  return config;
}

function managerUrl(manager: string, file: string): string {
  try {
    return moduleUrl(manager, file);
  } catch (error) {
    const [reason] = messageOf(error).split('\n');
    throw new ConfigError(`manager: ${reason}; a file of your own begins with ./`, { cause: error });
  }
}

async function readText(file: string): Promise<string> {
  let bytes: Buffer;
  try {
    bytes = await readFile(file);
  } catch (error) {
    if (codeOf(error) === 'EISDIR')
      throw new ConfigError(
        `cannot read the configuration file: ${file} is a directory; name the file in it`,
        { code: 'config-file' },
      );
    throw new ConfigError(`cannot read the configuration file: ${messageOf(error)}`, { code: 'config-file' });
  }
  try {
    // A byte order mark at the beginning is left out.
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (error) {
    throw new ConfigError(`${file}: is not UTF-8; save it as UTF-8`, { code: 'config-file', cause: error });
  }
}

function parseMap(text: string, file: string): JsonObject {
  const raw = parseYaml(text, file) ?? {};
  if (!isObject(raw))
    throw new ConfigError(`${file}: must be a map of keys to values, not ${jsonTypeOf(raw)}`, {
      code: 'config-file',
    });
  return raw;
}

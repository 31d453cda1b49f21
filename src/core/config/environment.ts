import { ConfigError } from '../errors.ts';
import { isObject, type JsonObject } from '../json.ts';
import { isOption, type Option, type Section } from '../options.ts';
import { shown, suggestion } from './names.ts';
import type { TransportKind } from './transport-kind.ts';
import { parseYaml } from './yaml.ts';

const prefix = 'CONDUCTOR_';

/** Variables that Kubernetes sets in every pod beside a Service named `conductor`. No key has such a name. */
const serviceLink = /^CONDUCTOR_(SERVICE_(HOST|PORT(_\w+)?)|PORT(_\d+_(TCP|UDP|SCTP)(_\w+)?)?)$/;

/** The environment variable of a key: `database.connectTimeout` is CONDUCTOR_DATABASE__CONNECT_TIMEOUT. */
export function environmentName(path: ReadonlyArray<string>): string {
  return prefix + path.map(segmentName).join('__');
}

function segmentName(key: string): string {
  return key
    .replaceAll(/([a-z])([A-Z])/g, '$1_$2')
    .replaceAll('-', '_')
    .toUpperCase();
}

/**
 * Applies every CONDUCTOR_* variable to the content of the file. A variable that names no key is an error, like any unknown key:
 * otherwise a misspelt password variable would go unnoticed.
 */
export function overlayEnvironment(
  raw: JsonObject,
  environment: Record<string, string | undefined>,
  schema: Section,
  kinds: Readonly<Record<string, TransportKind>>,
): void {
  for (const [name, text] of Object.entries(environment)) {
    if (!name.startsWith(prefix) || text === undefined || serviceLink.test(name)) continue;
    const [first, ...rest] = name.slice(prefix.length).split('__');
    if (first === 'TRANSPORTS') overlayTransport(raw, rest, name, text, environment, kinds);
    else
      overlaySegments(raw, schema, [first ?? '', ...rest], name, text, [
        ...optionNames(schema),
        ...transportNames(name),
      ]);
  }
}

function overlayTransport(
  raw: JsonObject,
  [transport, ...rest]: string[],
  name: string,
  text: string,
  environment: Record<string, string | undefined>,
  kinds: Readonly<Record<string, TransportKind>>,
): void {
  if (!transport || rest.length === 0) {
    throw new ConfigError(`${name}: expected ${environmentName(['transports', '<name>', '<key>'])}`, {
      code: 'unknown-variable',
    });
  }
  const transports = childObject(raw, 'transports', name);
  const existing = Object.keys(transports).find((one) => segmentName(one) === transport);
  if (
    existing === undefined &&
    environment[environmentName(['transports', transport, 'kind'])] === undefined
  ) {
    const names = Object.keys(transports).map((one) => environmentName(['transports', one, ...rest]));
    throw new ConfigError(
      `${name}: there is no transport of this name: the file has ${Object.keys(transports).map(shown).join(', ') || 'none'}, ` +
        `and a further one needs ${environmentName(['transports', transport, 'kind'])}${suggestion(name, names)}`,
      { code: 'unknown-variable' },
    );
  }
  const key = existing ?? transport.toLowerCase();
  const entry = childObject(transports, key, name);
  if (rest.join() === 'KIND') {
    entry.kind = text;
    return;
  }
  // Another variable may set the kind.
  const kindName = environment[environmentName(['transports', transport, 'kind'])] ?? entry.kind;
  const kind = typeof kindName === 'string' && Object.hasOwn(kinds, kindName) ? kinds[kindName] : undefined;
  // Without a kind there is no schema to look the key up in. The check of the entry reports the missing kind.
  if (kind !== undefined)
    overlaySegments(
      entry,
      kind.schema,
      rest,
      name,
      text,
      optionNames(kind.schema, ['transports', transport]),
    );
}

function overlaySegments(
  target: JsonObject,
  section: Section,
  segments: string[],
  name: string,
  text: string,
  known: ReadonlyArray<string>,
): void {
  const [segment = '', ...rest] = segments;
  const key = Object.keys(section).find((candidate) => segmentName(candidate) === segment);
  const node = key === undefined ? undefined : section[key];
  if (key === undefined || node === undefined || isOption(node) !== (rest.length === 0)) {
    throw new ConfigError(
      `${name}: no key of the configuration has this environment variable${suggestion(name, known)}`,
      { code: 'unknown-variable' },
    );
  }
  if (isOption(node)) target[key] = parseValue(node, name, text);
  else overlaySegments(childObject(target, key, name), node, rest, name, text, known);
}

/** The variables of all options. */
function optionNames(section: Section, path: ReadonlyArray<string> = []): string[] {
  return Object.entries(section).flatMap(([key, node]) =>
    isOption(node) ? [environmentName([...path, key])] : optionNames(node, [...path, key]),
  );
}

/** Without its S, or with one underscore behind it, a variable of a transport is none. */
function transportNames(name: string): string[] {
  const [, rest] = /^CONDUCTOR_TRANSPORTS?_+(.+)$/.exec(name) ?? [];
  return rest === undefined ? [] : [`${prefix}TRANSPORTS__${rest}`];
}

/** The value of a variable. Options that are texts take it as it is; others read it as YAML, so that "2" is a number. */
function parseValue(option: Option, name: string, text: string): unknown {
  return typeof option.default === 'string' ? text : parseYaml(text, name);
}

function childObject(parent: JsonObject, key: string, name: string): JsonObject {
  const child = parent[key] ?? {};
  if (!isObject(child)) throw new ConfigError(`${name}: ${key} must be a map of keys to values`);
  parent[key] = child;
  return child;
}

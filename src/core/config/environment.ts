import { ConfigError } from '../errors.ts';
import { isObject, type JsonObject } from '../json.ts';
import type { TransportKind } from './transport-kind.ts';
import { isOption, type Option, type Section } from './validate.ts';
import { parseYaml } from './yaml.ts';

const prefix = 'CONDUCTOR_';

/** What Kubernetes puts into every pod beside a Service named `conductor`; no key has such a name. */
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
 * Lays every CONDUCTOR_* variable over what the file says. One that names no key is an error, like any unknown key: a
 * misspelt password variable must not be found out by its absence.
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
    else overlaySegments(raw, schema, [first ?? '', ...rest], name, text);
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
    throw new ConfigError(`${name}: expected ${environmentName(['transports', '<name>', '<key>'])}`);
  }
  const transports = childObject(raw, 'transports', name);
  const key =
    Object.keys(transports).find((existing) => segmentName(existing) === transport) ??
    transport.toLowerCase();
  const entry = childObject(transports, key, name);
  if (rest.join() === 'KIND') {
    entry.kind = text;
    return;
  }
  // The kind may itself come from the environment, in a variable further on.
  const kindName = environment[environmentName(['transports', transport, 'kind'])] ?? entry.kind;
  const kind = typeof kindName === 'string' && Object.hasOwn(kinds, kindName) ? kinds[kindName] : undefined;
  // Without a kind there is no schema to look the key up in; the missing kind is reported by whoever reads the entry.
  if (kind !== undefined) overlaySegments(entry, kind.schema, rest, name, text);
}

function overlaySegments(
  target: JsonObject,
  section: Section,
  segments: string[],
  name: string,
  text: string,
): void {
  const [segment = '', ...rest] = segments;
  const key = Object.keys(section).find((candidate) => segmentName(candidate) === segment);
  const node = key === undefined ? undefined : section[key];
  if (key === undefined || node === undefined || isOption(node) !== (rest.length === 0)) {
    throw new ConfigError(`${name}: no key of the configuration has this environment variable`);
  }
  if (isOption(node)) target[key] = parseValue(node, name, text);
  else overlaySegments(childObject(target, key, name), node, rest, name, text);
}

/** Texts are taken as they are; everything else is written as in the file, so that "2" is a number. */
function parseValue(option: Option, name: string, text: string): unknown {
  return typeof option.default === 'string' ? text : parseYaml(text, name);
}

function childObject(parent: JsonObject, key: string, name: string): JsonObject {
  const child = parent[key] ?? {};
  if (!isObject(child)) throw new ConfigError(`${name}: ${key} must be a map of keys to values`);
  parent[key] = child;
  return child;
}

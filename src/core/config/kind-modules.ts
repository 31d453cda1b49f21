import { ConfigError, messageOf } from '../errors.ts';
import { isObject, type JsonObject } from '../json.ts';
import { environmentName } from './environment.ts';
import { moduleUrl } from './module.ts';
import { shown, suggestion } from './names.ts';
import type { TransportKind } from './transport-kind.ts';

type Kinds = Readonly<Record<string, TransportKind>>;

/** A variable that names the kind of a transport. */
const kindVariable = /^CONDUCTOR_TRANSPORTS__(.+)__KIND$/;

/**
 * The kinds of transports, with those added that the configuration names by their modules. A module is named by a path from the
 * configuration file on, which begins with `./`, `../` or `/`, or by a package. A package is looked for beside the file, then beside us.
 *
 * @param raw the parsed file.
 * @throws ConfigError with one line that names the key.
 */
export async function withKindModules(
  raw: JsonObject,
  file: string,
  environment: Readonly<Record<string, string | undefined>>,
  kinds: Kinds,
): Promise<Kinds> {
  const all = { ...kinds };
  for (const [key, kind] of namedKinds(raw, environment)) {
    if (Object.hasOwn(all, kind)) continue;
    all[kind] = await loadKind(key, kind, file, Object.keys(kinds));
  }
  return all;
}

/** The kinds that the file and the environment name, each with its key. A kind that is no text is left to the check of its entry. */
function* namedKinds(
  { transports }: JsonObject,
  environment: Readonly<Record<string, string | undefined>>,
): Generator<readonly [key: string, kind: string]> {
  for (const [name, entry] of Object.entries(isObject(transports) ? transports : {})) {
    // The environment overrides the file.
    const overlaid = environment[environmentName(['transports', name, 'kind'])] !== undefined;
    if (isObject(entry) && typeof entry.kind === 'string' && !overlaid)
      yield [`transports.${shown(name)}.kind`, entry.kind];
  }
  for (const [name, kind] of Object.entries(environment)) {
    if (kindVariable.test(name) && kind !== undefined) yield [name, kind];
  }
}

async function loadKind(
  key: string,
  name: string,
  file: string,
  names: ReadonlyArray<string>,
): Promise<TransportKind> {
  const known = names.join(', ');
  // The error does not quote it, since a URL may have a password.
  if (name.includes('://') && !name.startsWith('file:'))
    throw new ConfigError(`${key}: must be one of ${known}, or a module, not a URL, which belongs under url`);
  const loaded = await load(name, file).catch((error: unknown) => {
    const [reason = ''] = messageOf(error).split('\n');
    throw new ConfigError(
      `${key}: must be one of ${known}, or a module, and ${name} cannot be loaded: ${reason}${suggestion(name, names)}`,
      { cause: error },
    );
  });
  const kind: unknown = isObject(loaded) ? loaded.default : undefined;
  if (!isKind(kind))
    throw new ConfigError(
      `${key}: ${name} does not export a TransportKind as its default: make one with defineKind`,
    );
  return kind;
}

async function load(name: string, file: string): Promise<unknown> {
  const module = moduleUrl(name, file);
  // A module's namespace has no prototype, as isObject wants it.
  return { ...(await import(module)) };
}

function isKind(value: unknown): value is TransportKind {
  return isObject(value) && isObject(value.schema) && typeof value.configure === 'function';
}

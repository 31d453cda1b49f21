import { ConfigError } from '../errors.ts';
import { isObject, type JsonObject, jsonTypeOf } from '../json.ts';
import { isOption } from '../options.ts';
import { shown, suggestion } from './names.ts';
import type { ConfiguredTransport, TransportKind } from './transport-kind.ts';

/** Checks each entry by the schema of its kind. Throws ConfigError, whose message begins with `transports.` and the name. */
export function configureTransports(
  entries: JsonObject,
  kinds: Readonly<Record<string, TransportKind>>,
): ReadonlyArray<ConfiguredTransport> {
  return Object.entries(entries).map(([name, entry]) => {
    const at = `transports.${shown(name)}`;
    if (!isObject(entry))
      throw new ConfigError(`${at}: must be a map of keys to values, not ${jsonTypeOf(entry)}`);
    const known = Object.keys(kinds).join(', ');
    if (typeof entry.kind !== 'string') throw new ConfigError(`${at}.kind: is required: one of ${known}`);
    const kind = Object.hasOwn(kinds, entry.kind) ? kinds[entry.kind] : undefined;
    if (kind === undefined)
      throw new ConfigError(
        `${at}.kind: must be one of ${known}${suggestion(entry.kind, Object.keys(kinds))}`,
        { code: 'wrong-value' },
      );
    // A module's kind has a name of its own. `check-config` prints the name that the file has.
    const configured = kind.configure(name, { ...entry, kind: ownNameOf(kind) ?? entry.kind });
    return { ...configured, printable: { ...configured.printable, kind: entry.kind } };
  });
}

function ownNameOf({ schema }: TransportKind): unknown {
  const { kind } = schema;
  return kind !== undefined && isOption(kind) ? kind.default : undefined;
}

import convict from 'convict';
import { ConfigError, messageOf } from '../errors.ts';
import { isObject, type JsonObject, jsonTypeOf } from '../json.ts';
import { shown, suggestion } from './names.ts';

/** A leaf of a schema: an option. */
export interface Option {
  readonly default: unknown;
  readonly doc: string;
  readonly format?: string[] | ((value: unknown) => void);
  readonly sensitive?: boolean;
}
/** Options by key, or sections of them. */
export interface Section {
  readonly [key: string]: Option | Section;
}

export function isOption(node: Option | Section | undefined): node is Option {
  return node !== undefined && 'default' in node;
}

/**
 * Fills in defaults and checks every value. Throws ConfigError with one line: the key and what was expected.
 *
 * convict coerces texts ("2abc" becomes 2, "no" becomes true) and looks away from unknown keys inside free-form maps, so
 * keys and types are checked before it sees them. Its `load` takes free-form maps apart, and fails on nested ones; `set`
 * takes each value as it is.
 *
 * @param prefix of the keys in messages: where in the file `raw` stands.
 * @param beside keys that stand there too and are read elsewhere.
 */
export function validate<Values>(
  schema: convict.Schema<Values> & Section,
  raw: JsonObject,
  prefix = '',
  beside: ReadonlyArray<string> = [],
): Values {
  const config = convict<Values>(schema, { args: [], env: {} });
  // The keys of a type that is not known here cannot be told from other texts.
  const target: { set(key: string, value: unknown): unknown } = config;
  for (const [key, value] of givenOptions(schema, raw, prefix, '', beside)) target.set(key, value);
  const values = config.getProperties();
  checkFormats(schema, values, prefix);
  return values;
}

/** Each option that is given, by its key below `prefix`, once key and type are known to be right. */
function* givenOptions(
  section: Section,
  raw: JsonObject,
  prefix: string,
  path: string,
  beside: ReadonlyArray<string> = [],
): Generator<[key: string, value: unknown]> {
  for (const [name, value] of Object.entries(raw)) {
    const key = path + name;
    const node = Object.hasOwn(section, name) ? section[name] : undefined;
    if (node === undefined) {
      const known = [...Object.keys(section), ...beside];
      throw new ConfigError(
        `${prefix}${path}${shown(name)}: unknown key; expected one of ${known.join(', ')}${suggestion(name, known)}`,
      );
    }
    if (!isOption(node)) {
      if (!isObject(value))
        throw new ConfigError(`${prefix}${key}: must be a map of keys to values, not ${jsonTypeOf(value)}`);
      yield* givenOptions(node, value, prefix, `${key}.`);
    } else if (jsonTypeOf(value) !== jsonTypeOf(node.default)) {
      throw new ConfigError(`${prefix}${key}: must be ${jsonTypeOf(node.default)}, not ${jsonTypeOf(value)}`);
    } else {
      yield [key, value];
    }
  }
}

function checkFormats(section: Section, values: unknown, prefix: string): void {
  if (!isObject(values)) return;
  for (const [key, node] of Object.entries(section)) {
    const value = values[key];
    if (!isOption(node)) {
      checkFormats(node, value, `${prefix}${key}.`);
    } else if (Array.isArray(node.format)) {
      if (!node.format.includes(String(value))) {
        throw new ConfigError(`${prefix}${key}: must be one of ${node.format.join(', ')}`);
      }
    } else {
      try {
        node.format?.(value);
      } catch (error) {
        throw new ConfigError(`${prefix}${key}: ${messageOf(error)}`);
      }
    }
  }
}

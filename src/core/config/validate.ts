import convict from 'convict';
import { ConfigError, messageOf } from '../errors.ts';
import { isObject, type JsonObject, kindOf } from '../json.ts';

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
 * keys and types are checked before it sees them.
 *
 * @param prefix of the keys in messages: where in the file `raw` stands.
 */
export function validate<Values>(
  schema: convict.Schema<Values> & Section,
  raw: JsonObject,
  prefix = '',
): Values {
  checkKeysAndTypes(schema, raw, prefix);
  const config = convict<Values>(schema, { args: [], env: {} });
  config.load(raw);
  const values = config.getProperties();
  checkFormats(schema, values, prefix);
  return values;
}

function checkKeysAndTypes(section: Section, raw: JsonObject, prefix: string): void {
  for (const [key, value] of Object.entries(raw)) {
    const node = Object.hasOwn(section, key) ? section[key] : undefined;
    if (node === undefined) {
      throw new ConfigError(
        `${prefix}${key}: unknown key; expected one of ${Object.keys(section).join(', ')}`,
      );
    }
    if (!isOption(node)) {
      if (!isObject(value))
        throw new ConfigError(`${prefix}${key}: must be a map of keys to values, not ${kindOf(value)}`);
      checkKeysAndTypes(node, value, `${prefix}${key}.`);
    } else if (kindOf(value) !== kindOf(node.default)) {
      throw new ConfigError(`${prefix}${key}: must be ${kindOf(node.default)}, not ${kindOf(value)}`);
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

import convict from 'convict';
import { ConfigError, messageOf } from '../errors.ts';
import { isObject, type JsonObject, jsonTypeOf } from '../json.ts';
import { isOption, type Option, type Section, type ValuesOf } from '../options.ts';
import { shown, suggestion } from './names.ts';

/**
 * Fills in defaults and checks every value. Throws ConfigError with one line: the key and the expected form.
 *
 * convict coerces texts ("2abc" becomes 2, "no" becomes true) and ignores unknown keys inside free-form maps. So keys and types are
 * checked before convict gets them. Its `load` takes free-form maps apart and fails on nested ones; `set` does not.
 *
 * @param prefix of the keys in errors: the place of `raw` in the file.
 * @param beside further keys in `raw`, which are read elsewhere.
 */
export function validate<S extends Section>(
  schema: S,
  raw: JsonObject,
  prefix = '',
  beside: ReadonlyArray<string> = [],
): ValuesOf<S> {
  const config = convict<Record<string, unknown>>(schema, { args: [], env: {} });
  for (const [key, value] of givenOptions(schema, raw, prefix, '', beside)) config.set(key, value);
  const values: unknown = config.getProperties();
  if (!hasValuesOf(schema, values)) throw new TypeError('convict has changed the type of an option');
  checkFormats(schema, values, prefix);
  return values;
}

/** Whether each option has a value of the type of its default. */
function hasValuesOf<S extends Section>(schema: S, values: unknown): values is ValuesOf<S> {
  if (!isObject(values)) return false;
  return Object.entries(schema).every(([key, node]) =>
    isOption(node) ? jsonTypeOf(values[key]) === jsonTypeOf(node.default) : hasValuesOf(node, values[key]),
  );
}

/** Each given option, by its key below `prefix`. Throws ConfigError at an unknown key or a wrong type. */
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
        { code: 'unknown-key' },
      );
    }
    if (!isOption(node)) {
      if (!isObject(value))
        throw new ConfigError(`${prefix}${key}: must be a map of keys to values, not ${jsonTypeOf(value)}`, {
          code: 'wrong-value',
        });
      yield* givenOptions(node, value, prefix, `${key}.`);
    } else if (jsonTypeOf(value) !== jsonTypeOf(node.default)) {
      throw new ConfigError(
        `${prefix}${key}: must be ${jsonTypeOf(node.default)}, not ${jsonTypeOf(value)}${unitFor(node, value)}`,
        { code: 'wrong-value' },
      );
    } else {
      yield [key, value];
    }
  }
}

/** An operator who writes a time as `20s` has to learn the unit. The text of each time names it. */
function unitFor({ doc, default: usual }: Option, value: unknown): string {
  const isTime = typeof usual === 'number' && /\bmilliseconds\b/i.test(doc);
  return isTime && typeof value === 'string' ? `; it is in milliseconds, such as ${usual}` : '';
}

function checkFormats(section: Section, values: unknown, prefix: string): void {
  if (!isObject(values)) return;
  for (const [key, node] of Object.entries(section)) {
    const value = values[key];
    if (!isOption(node)) {
      checkFormats(node, value, `${prefix}${key}.`);
    } else if (Array.isArray(node.format)) {
      if (!node.format.includes(String(value))) {
        throw new ConfigError(`${prefix}${key}: must be one of ${node.format.join(', ')}`, {
          code: 'wrong-value',
        });
      }
    } else {
      try {
        node.format?.(value);
      } catch (error) {
        throw new ConfigError(`${prefix}${key}: ${messageOf(error)}`, { code: 'wrong-value' });
      }
    }
  }
}

import { isDeepStrictEqual } from 'node:util';
import { isObject } from './json.ts';

/** How options are declared: said once, with their documentation, default and check. Their type is derived from it. */

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

/** The values that a schema describes: of each option the type of its default. */
export type ValuesOf<S extends Section> = {
  -readonly [Key in keyof S]: S[Key] extends Option
    ? S[Key]['default']
    : S[Key] extends Section
      ? ValuesOf<S[Key]>
      : never;
};

export function isOption(node: Option | Section | undefined): node is Option {
  return node !== undefined && 'default' in node;
}

/** The default and the format of an option that is one of some words. The first word is the default. */
export function oneOf<const Word extends string>(
  ...words: readonly [Word, ...Word[]]
): { readonly default: Word; readonly format: Word[] } {
  return { default: words[0], format: [...words] };
}

/** The keys of the options whose values are not the defaults, in the order of the schema. */
export function differingKeys(schema: Section, values: object): string[] {
  const given: ReadonlyMap<string, unknown> = new Map(Object.entries(values));
  return Object.entries(schema).flatMap(([name, node]) => {
    const value = given.get(name);
    if (isOption(node)) return isDeepStrictEqual(value, node.default) ? [] : [name];
    return isObject(value) ? differingKeys(node, value).map((key) => `${name}.${key}`) : [];
  });
}

/**
 * JSON whose numbers are kept as they were written. Postgres keeps digits that a double cannot hold, such as those of
 * 9007199254740993 or the zero of 1.10. A caller who reads such a value and writes it back must not change it.
 *
 * Only values of models are read in this way. All other JSON has JavaScript's numbers.
 */

/** A number as a text of JSON, which JSON.stringify writes as it is. */
export interface ExactNumber {
  readonly rawJSON: string;
}

declare global {
  interface JSON {
    /** Of ECMAScript's "JSON.parse source text access", which TypeScript does not know yet. */
    rawJSON(text: string): ExactNumber;
    isRawJSON(value: unknown): value is ExactNumber;
    parse(
      text: string,
      reviver: (this: object, name: string, value: unknown, context: { readonly source?: string }) => unknown,
    ): unknown;
  }
}

/** JavaScript writes every number of a text without a match as it stands there. Strings in the text may match too. */
const suspicious = /\d[\d.]{15}|\d[eE][+-]?\d|\.\d*0(?!\d)|0\.000000|-0(?![\d.])/;

/** Parses JSON. A number that JavaScript would write in another way becomes an ExactNumber. */
export function parseExact(text: string): unknown {
  if (!suspicious.test(text)) return JSON.parse(text);
  return JSON.parse(text, (_name: string, value: unknown, { source }) =>
    isOther(value, source) ? JSON.rawJSON(source) : value,
  );
}

/** A hidden property of an object or array: the source text of its numbers, by their names in it. It is not enumerable. */
const written = Symbol('as written');

/** Parses JSON as JSON.parse does. `exactAt` and `stringifyExact` still know the source text of its numbers. */
export function parseRemembering(text: string): unknown {
  if (!suspicious.test(text)) return JSON.parse(text);
  return JSON.parse(text, function (this: object, name: string, value: unknown, { source }) {
    if (isOther(value, source)) {
      const own = writtenIn(this) ?? new Map<string, string>();
      own.set(name, source);
      Object.defineProperty(this, written, { value: own });
    }
    return value;
  });
}

function writtenIn(holder: object): Map<unknown, unknown> | undefined {
  const own: unknown = Reflect.get(holder, written);
  return own instanceof Map ? own : undefined;
}

function isOther(value: unknown, source: string | undefined): source is string {
  return typeof value === 'number' && source !== undefined && String(value) !== source;
}

/** The value under a name or an index. An ExactNumber, if JavaScript would write the number in another way. */
export function exactAt(holder: object, name: string | number, value: unknown): unknown {
  const source = typeof value === 'number' ? writtenIn(holder)?.get(String(name)) : undefined;
  return typeof source === 'string' ? JSON.rawJSON(source) : value;
}

export function isExact(value: unknown): value is ExactNumber {
  return JSON.isRawJSON(value);
}

/** The JSON text of a value, with all numbers as they were written. */
export function stringifyExact(value: unknown): string {
  return JSON.stringify(value, function (this: object, name: string, own: unknown) {
    return exactAt(this, name, own);
  });
}

/**
 * JSON whose numbers are kept as they were written. Postgres keeps digits that a double cannot hold, such as those of
 * 9007199254740993 or the zero of 1.10; who reads such a value and writes it back must not change it.
 *
 * Only values of models come by here. Everything else reads numbers as JavaScript does.
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

/** A text without a match has no number that JavaScript would write otherwise. Texts within it may match too. */
const suspicious = /\d[\d.]{15}|\d[eE][+-]?\d|\.\d*0(?!\d)|0\.000000|-0(?![\d.])/;

/** Parses JSON; what JavaScript would write otherwise becomes an ExactNumber. */
export function parseExact(text: string): unknown {
  if (!suspicious.test(text)) return JSON.parse(text);
  return JSON.parse(text, (_name: string, value: unknown, { source }) =>
    isOther(value, source) ? JSON.rawJSON(source) : value,
  );
}

/** The property of an object or array that keeps how its numbers were written, by their names in it. Nothing enumerates it. */
const written = Symbol('as written');

/** Parses JSON into the same as JSON.parse does, and remembers for `exactAt` and `stringifyExact` how its numbers were written. */
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

/** The value under a name or an index; an ExactNumber if it is a number that was written otherwise. */
export function exactAt(holder: object, name: string | number, value: unknown): unknown {
  const source = typeof value === 'number' ? writtenIn(holder)?.get(String(name)) : undefined;
  return typeof source === 'string' ? JSON.rawJSON(source) : value;
}

export function isExact(value: unknown): value is ExactNumber {
  return JSON.isRawJSON(value);
}

/** JSON's text, with all numbers as they were written. */
export function stringifyExact(value: unknown): string {
  return JSON.stringify(value, function (this: object, name: string, own: unknown) {
    return exactAt(this, name, own);
  });
}

import { isExact } from '../../../core/exact-json.ts';
import { jsonTypeOf } from '../../../core/json.ts';

/** A value that its column cannot take. The message completes "args.values.size ...". */
export class Unfit extends Error {}

export function unfit(value: unknown, expected: string): Unfit {
  const given = typeof value === 'string' ? JSON.stringify(value.slice(0, 64)) : jsonTypeOf(value);
  return new Unfit(`is ${digitsOf(value)?.slice(0, 64) ?? given}, not ${expected}`);
}

/** The digits of a number as they were written. */
export function digitsOf(value: unknown): string | undefined {
  if (typeof value === 'number') return String(value);
  return isExact(value) ? value.rawJSON : undefined;
}

/** The nearest JavaScript number; NaN for a value that is no number. */
export function nearest(value: unknown): number {
  return Number(digitsOf(value) ?? Number.NaN);
}

/**
 * How values of a type are passed. Postgres gets texts, which it casts, and returns texts, so that nothing is rounded.
 */
export interface ColumnType {
  readonly name: string;
  /** Whether its values can be compared and ordered. */
  readonly ordered: boolean;
  /** The text of a message's value. Throws Unfit with the expected form. */
  readonly toText: (value: unknown, column: Limits) => string;
  /** The value for an answer. */
  readonly fromText: (text: string) => unknown;
}

/** Limits of a column beyond its type. */
export interface Limits {
  readonly maxLength: number | null;
  readonly labels: ReadonlyArray<string>;
}

/** Takes Postgres's text as the value. */
export const asText = (text: string) => text;

/** A column of whole numbers. */
export function integer(bits: 16 | 32): ColumnType {
  const limit = 2 ** (bits - 1);
  return {
    name: 'integer',
    ordered: true,
    toText(value) {
      const number = nearest(value);
      if (Number.isInteger(number) && number >= -limit && number < limit) return String(number);
      throw unfit(value, `a whole number from ${-limit} to ${limit - 1}`);
    },
    fromText: Number,
  };
}

export const bigint: ColumnType = {
  name: 'bigint',
  ordered: true,
  toText(value) {
    const number = nearest(value);
    // The sender may already have rounded a number beyond 2^53.
    const text = Number.isSafeInteger(number) ? String(number) : value;
    if (
      typeof text === 'string' &&
      /^-?\d{1,19}$/.test(text) &&
      BigInt.asIntN(64, BigInt(text)) === BigInt(text)
    )
      return text;
    throw unfit(value, 'a whole number of 64 bits, as a text beyond 2^53');
  },
  fromText: (text) => (Number.isSafeInteger(Number(text)) ? Number(text) : text),
};

export const numeric: ColumnType = {
  name: 'numeric',
  ordered: true,
  toText(value) {
    const digits = digitsOf(value) ?? value;
    // The bound on the exponent bounds the digits that Postgres would write out.
    if (typeof digits === 'string' && /^(-?\d{1,1000}(\.\d{1,1000})?(e[+-]?\d{1,3})?|NaN)$/i.test(digits))
      return digits;
    throw unfit(value, 'a number, or a text with one');
  },
  fromText: asText,
};

/** Numbers that JSON cannot write. */
const notFinite = ['NaN', 'Infinity', '-Infinity'];

export const float: ColumnType = {
  name: 'float',
  ordered: true,
  toText(value) {
    const number = nearest(value);
    if (Number.isFinite(number)) return String(number);
    if (typeof value === 'string' && notFinite.includes(value)) return value;
    throw unfit(value, `a number, ${notFinite.map((word) => `"${word}"`).join(', ')}`);
  },
  fromText: (text) => (notFinite.includes(text) ? text : Number(text)),
};

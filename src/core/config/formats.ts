import { addressesIn } from '../transport/addresses.ts';

/** Formats of options. Each throws an Error that says what it expected. The caller puts the key in front. */

export function positiveInteger(value: unknown): void {
  if (!Number.isInteger(value) || Number(value) < 1) throw new Error('must be a whole number above 0');
}

/** A number above 0 that fits into a field of a protocol. */
export function positiveIntegerUpTo(max: number): (value: unknown) => void {
  return (value) => {
    if (!Number.isInteger(value) || Number(value) < 1 || Number(value) > max)
      throw new Error(`must be a whole number from 1 to ${max}`);
  };
}

export function wholeNumber(value: unknown): void {
  if (!Number.isInteger(value) || Number(value) < 0) throw new Error('must be a whole number, 0 or above');
}

export function wholeNumberUpTo(max: number): (value: unknown) => void {
  return (value) => {
    if (!Number.isInteger(value) || Number(value) < 0 || Number(value) > max)
      throw new Error(`must be a whole number from 0 to ${max}`);
  };
}

/** 0, which says "never", or a number between two bounds. */
export function zeroOrFrom(least: number, most: number): (value: unknown) => void {
  return (value) => {
    if (value === 0) return;
    if (!Number.isInteger(value) || Number(value) < least || Number(value) > most)
      throw new Error(`must be 0, or a whole number from ${least} to ${most}`);
  };
}

/** A share of a whole: from 0 to 1. */
export function share(value: unknown): void {
  if (typeof value !== 'number' || !(value >= 0 && value <= 1))
    throw new Error('must be a number from 0 to 1');
}

/** The longest that a timer waits, and the largest integer of Postgres's settings: 24 days. */
const longest = 2 ** 31 - 1;

/** A positive number of milliseconds. Bounded, since Node's timers fire at once if they are to wait longer. */
export const milliseconds = positiveIntegerUpTo(longest);

/** Of one of the given schemes, each with its colon, such as `amqp:`. */
export function urlOf(...schemes: string[]): (value: unknown) => void {
  const expected = schemes.map((scheme) => `${scheme}//`).join(' or ');
  return (value) => {
    if (typeof value !== 'string' || value === '')
      throw new Error(`is required: a URL that starts with ${expected}`);
    const url = URL.parse(value);
    if (url === null || !schemes.includes(url.protocol) || !value.slice(url.protocol.length).startsWith('//'))
      throw new Error(`must be a URL that starts with ${expected}`);
    if (!isDecodable(url.username) || !isDecodable(url.password))
      throw new Error('must have a % in its user or password written as %25');
    if (!isDecodable(url.pathname)) throw new Error('must have a % in its path written as %25');
  };
}

/** One URL of such a scheme, or several that are separated by commas. Each may have credentials of its own. */
export function urlsOf(...schemes: string[]): (value: unknown) => void {
  const check = urlOf(...schemes);
  return (value) => {
    for (const url of typeof value === 'string' ? addressesIn(value) : [value]) check(url);
  };
}

export function nonEmptyText(value: unknown): void {
  if (typeof value !== 'string' || value === '') throw new Error('must be a text that is not empty');
}

function isDecodable(text: string): boolean {
  try {
    decodeURIComponent(text);
    return true;
  } catch {
    return false;
  }
}

/** The name of a schema of Postgres that need not be quoted. */
export function schemaName(value: unknown): void {
  if (typeof value !== 'string' || !/^(?!pg_)[a-z_][a-z0-9_]{0,49}$/.test(value))
    throw new Error('must be a name of a schema: small letters, digits and _, 50 at most');
}

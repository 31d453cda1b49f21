import { Rejected } from '../../core/errors.ts';
import { type JsonObject, jsonTypeOf } from '../../core/json.ts';
import { maxId, noSeconds } from './description.ts';

/** Readers of single arguments. Each throws Rejected with the argument's name and the expected form. */

/** Reads the id of an instance or a backup. */
export function readId(args: JsonObject, name: string): string {
  return readText(args, name, maxId, 1);
}

export function readText(args: JsonObject, name: string, maxLength: number, minLength = 0): string {
  const value = args[name];
  if (typeof value !== 'string')
    throw new Rejected('bad_argument', `args.${name} is ${jsonTypeOf(value)}, not a string`, name);
  if (value.length < minLength || (value.length > maxLength && characters(value) > maxLength)) {
    throw new Rejected(
      'bad_argument',
      `args.${name} has ${value.length} characters, not ${minLength} to ${maxLength}`,
      name,
    );
  }
  return value;
}

/** Postgres counts characters, JavaScript UTF-16 units. They differ outside the basic plane. */
function characters(text: string): number {
  let count = 0;
  for (const _ of text) count += 1;
  return count;
}

/** Seconds since the epoch, stamped by the guest. */
export function readSent(args: JsonObject, required: boolean): number | undefined {
  const { sent } = args;
  if ((sent === undefined || sent === null) && !required) return undefined;
  if (typeof sent !== 'number')
    throw new Rejected('bad_argument', `args.sent is ${jsonTypeOf(sent)}, not a number`, 'sent');
  // JSON.parse reads 1e400 as Infinity, which would mute the instance for ever.
  if (!Number.isFinite(sent)) throw new Rejected('bad_argument', 'args.sent is not finite', 'sent');
  // Among values in seconds it would stay the newest for ever.
  if (sent > noSeconds) {
    throw new Rejected('bad_argument', 'args.sent is in milliseconds; send seconds since the epoch', 'sent');
  }
  return sent;
}

import { isUtf8 } from 'node:buffer';
import { Rejected } from '../core/errors.ts';
import { bufferOf, isObject, jsonFault } from '../core/json.ts';
import { inflate } from '../core/message/codecs/inflate.ts';
import type { StoredLetter } from './dead-letters.ts';

/**
 * The letter's own body, inflated if it can be; null if there is none.
 *
 * @param maxBody bytes that an inflated body may have.
 */
export function plainBodyOf(
  { body, compression }: Pick<StoredLetter, 'body' | 'compression'>,
  maxBody: number,
): Buffer | null {
  if (body === null || compression === null) return body;
  try {
    return bufferOf(inflate(body, compression, maxBody));
  } catch (error) {
    if (error instanceof Rejected) return body;
    throw error;
  }
}

/** The body as text; undefined if it is no text. */
export function textOfBody(body: Buffer): string | undefined {
  return isUtf8(body) ? body.toString('utf8') : undefined;
}

/** A letter as JSON. A body that is no text is given in hex. */
export function letterJson({ bodyDigest, body, editedBody, ...letter }: StoredLetter, maxBody: number) {
  return {
    ...letter,
    bodyDigest: bodyDigest.toString('hex'),
    ...bodyFields('body', plainBodyOf({ body, compression: letter.compression }, maxBody)),
    ...bodyFields('editedBody', editedBody),
  };
}

function bodyFields(name: string, body: Buffer | null): Record<string, string | null> {
  const text = body === null ? null : textOfBody(body);
  return text === undefined ? { [`${name}Hex`]: body?.toString('hex') ?? null } : { [name]: text };
}

/** Why the letter cannot get another body; undefined if it can. */
export function uneditableBecause({
  id,
  state,
  counted,
  redriveOutcome,
}: Pick<StoredLetter, 'id' | 'state' | 'counted' | 'redriveOutcome'>): string | undefined {
  if (counted !== null)
    return `dead letter ${id} only counts messages that were not kept; it has no message to edit`;
  if (state === 'waiting') return `dead letter ${id} waits for its redrive; it cannot be edited now`;
  if (state === 'redriven') return `dead letter ${id} was redriven already: ${redriveOutcome}`;
  return undefined;
}

/**
 * Why an edited body is not stored; undefined if it is.
 *
 * @param faults what a redrive would refuse.
 * @param force what stores the body all the same.
 */
export function deadAgainBecause(faults: ReadonlyArray<string>, force: string): string | undefined {
  if (faults.length === 0) return undefined;
  return `the edited body would be dead again, so it is not stored (${force} stores it): ${faults.join('; ')}`;
}

/** Why this cannot be the body of a message; undefined if it can. Every wire form is a JSON object. */
export function unfitBecause(body: Buffer, maxBody: number): string | undefined {
  if (body.length > maxBody)
    return `the edited body has ${body.length} bytes, more than maxBody (${maxBody})`;
  let value: unknown;
  try {
    value = JSON.parse(body.toString('utf8'));
  } catch (error) {
    return `the edited body is not JSON: ${jsonFault(error)}`;
  }
  return isObject(value) ? undefined : 'the edited body is no JSON object';
}

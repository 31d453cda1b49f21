import { isUtf8 } from 'node:buffer';
import { Rejected } from '../core/errors.ts';
import { bufferOf } from '../core/json.ts';
import { inflate } from '../core/message/codecs/inflate.ts';
import type { StoredLetter } from '../database/dead-letters.ts';

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

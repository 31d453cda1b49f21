import type { Codec } from '../envelope.ts';
import { decodeNative } from './native.ts';
import { decodeOslo } from './oslo.ts';

/** The wire forms that a transport's `codec` may name. */
export const codecs = { native: decodeNative, oslo: decodeOslo } satisfies Record<string, Codec>;
export type CodecName = keyof typeof codecs;
export const codecNames = Object.keys(codecs);

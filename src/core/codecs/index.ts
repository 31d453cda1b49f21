import type { Codec } from '../envelope.ts';
import { native } from './native.ts';
import { oslo } from './oslo.ts';

/** The wire forms that a transport's `codec` may name. */
export const codecs = { native, oslo } satisfies Record<string, Codec>;
export type CodecName = keyof typeof codecs;
export const codecNames = Object.keys(codecs);

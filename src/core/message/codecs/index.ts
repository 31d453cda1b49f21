import type { Codec } from '../envelope.ts';
import type { WireForm } from '../request.ts';
import { cloudEventsForm } from './client-cloudevents.ts';
import { nativeForm } from './client-native.ts';
import { osloForm } from './client-oslo.ts';
import { cloudevents } from './cloudevents.ts';
import { native } from './native.ts';
import { oslo } from './oslo.ts';

/** The wire forms by the name that a transport's `codec` gives. */
export const codecs = { native, oslo, cloudevents } satisfies Record<string, Codec>;
export type CodecName = keyof typeof codecs;
export const codecNames = Object.keys(codecs);

/** The same wire forms for the sending side. */
export const wireForms: Readonly<Record<CodecName, WireForm>> = {
  native: nativeForm,
  oslo: osloForm,
  cloudevents: cloudEventsForm,
};

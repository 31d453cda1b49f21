import { version } from '../../../core/version.ts';
import type { CallMethod } from '../contract.ts';
import { description } from './description.ts';

/** Answers with the conductor's version. */
export const ping: CallMethod<undefined> = {
  description,
  allowed: 'anyone',
  mutating: false,
  parse: () => undefined,
  run: () => Promise.resolve({ pong: true, version }),
};

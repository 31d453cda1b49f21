import type { CallMethod } from '../contract.ts';
import { version } from './version.ts';

/** Answers that a conductor is there, and which. */
export const ping: CallMethod<undefined> = {
  allowed: 'anyone',
  mutating: false,
  parse: () => undefined,
  run: () => Promise.resolve({ pong: true, version }),
};

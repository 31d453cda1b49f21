import type { CallMethod } from '../contract.ts';
import { paceNow } from '../pace.ts';
import { description } from './description.ts';

/** Tells a guest how often to report. */
export const heartbeatInterval: CallMethod<undefined> = {
  description,
  allowed: 'anyone',
  mutating: false,
  parse: () => undefined,
  run: (db, _, { settings }) => paceNow(db, settings),
};

import { version } from '../../../core/version.ts';
import type { CallMethod } from '../contract.ts';
import { paceNow } from '../pace.ts';
import { description } from './description.ts';

/** Answers with the conductor's version, and with the time of the caller's next heartbeat. In oslo's form the answer has no more than it always had. */
export const ping: CallMethod<undefined> = {
  description,
  allowed: 'anyone',
  mutating: false,
  parse: () => undefined,
  run: async (db, _, { settings, codec }) => ({
    pong: true,
    version,
    ...(codec !== 'oslo' && (await paceNow(db, settings))),
  }),
};

import { fileURLToPath } from 'node:url';
import { startProcess } from '../../../test/support/processes.ts';
import type { Peer } from '../peer.ts';

export const straightforward: Peer = {
  name: 'straightforward',
  about: 1500,
  missing: () => Promise.resolve(undefined),
  start({ broker, database }) {
    const file = fileURLToPath(new URL('consumer.mjs', import.meta.url));
    return startProcess(process.execPath, [file, broker, database]);
  },
};

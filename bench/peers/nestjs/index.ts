import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { startProcess } from '../../../test/support/processes.ts';
import { installPackages } from '../install.ts';
import type { Peer } from '../peer.ts';

const folder = fileURLToPath(new URL('.', import.meta.url));

export const nestjs: Peer = {
  name: 'nestjs',
  about: 1000,
  missing: () => installPackages('nestjs', folder, '@nestjs/core'),
  start: ({ broker, database }) =>
    startProcess(process.execPath, [join(folder, 'service.mjs'), broker, database]),
};

import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { messageOf } from '../../../src/core/errors.ts';
import { startProcess } from '../../../test/support/processes.ts';
import type { Peer } from '../peer.ts';

const folder = fileURLToPath(new URL('.', import.meta.url));
const run = promisify(execFile);

/** Its packages are installed beside it when it first runs, so that they are no dependencies of the product. */
export const nestjs: Peer = {
  name: 'nestjs',
  about: 1000,
  async missing() {
    if (existsSync(join(folder, 'node_modules/@nestjs/core'))) return undefined;
    try {
      await run('npm', ['install', '--no-audit', '--no-fund', '--no-package-lock'], {
        cwd: folder,
        timeout: 180_000,
      });
      return undefined;
    } catch (error) {
      return `its packages cannot be installed (npm install in bench/peers/nestjs): ${messageOf(error).split('\n')[0]}`;
    }
  },
  start: ({ broker, database }) =>
    startProcess(process.execPath, [join(folder, 'service.mjs'), broker, database]),
};

import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { messageOf } from '../../src/core/errors.ts';

const run = promisify(execFile);

/**
 * Installs a peer's packages beside it when it first runs, so that they are no dependencies of the product. Returns why it cannot;
 * undefined if they are there.
 *
 * @param name of the peer and of its folder.
 * @param main the package without which nothing is installed yet.
 */
export async function installPackages(
  name: string,
  folder: string,
  main: string,
): Promise<string | undefined> {
  if (existsSync(join(folder, 'node_modules', main))) return undefined;
  try {
    await run('npm', ['install', '--no-audit', '--no-fund', '--no-package-lock'], {
      cwd: folder,
      timeout: 300_000,
    });
    return undefined;
  } catch (error) {
    return `its packages cannot be installed (npm install in bench/peers/${name}): ${messageOf(error).split('\n')[0]}`;
  }
}

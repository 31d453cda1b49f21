/** A disk of the round's own that can be filled: a tmpfs, whose size is set to what is used. */
import { execFileSync } from 'node:child_process';
import { chmodSync, statfsSync } from 'node:fs';
import { temporaryDirectory } from '../../support/temporary.ts';
import type { Cleanup, Disk } from './world.ts';

/** Bytes that are left on a full disk. */
const rest = 512 * 1024;
const attempts = 50;

/** Undefined where nobody may mount one: on Linux only root may. */
export function mountDisk(cleanup: Cleanup, bytes: number): Disk | undefined {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return undefined;
  const folder = temporaryDirectory('disk');
  try {
    run('mount', '-t', 'tmpfs', '-o', `size=${bytes}`, 'tmpfs', folder);
  } catch {
    // In a container root may not mount either.
    return undefined;
  }
  const unmount = () => {
    process.off('exit', unmount);
    // Lazily: a server that was killed may not be gone yet.
    run('umount', '--lazy', folder);
  };
  process.prependOnceListener('exit', unmount);
  cleanup.teardown(async () => unmount());
  // Postgres runs as another user.
  chmodSync(folder, 0o711);
  const resize = (size: number) => run('mount', '-o', `remount,size=${size}`, folder);
  return {
    folder,
    fill: () => {
      for (let attempt = 1; ; attempt += 1) {
        const { blocks, bfree, bsize } = statfsSync(folder);
        try {
          resize((blocks - bfree) * bsize + rest);
          return;
        } catch (error) {
          // Postgres has written more than the rest meanwhile.
          if (attempt === attempts) throw error;
        }
      }
    },
    free: () => resize(bytes),
  };
}

function run(program: string, ...args: string[]): void {
  execFileSync(program, args, { stdio: 'pipe' });
}

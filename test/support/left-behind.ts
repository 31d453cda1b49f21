/** Finds what the tests have left running: a test that starts a process has to end it. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

/** Set to a value of the run's own for ava, and so for all that any test starts, and what that starts. */
export const markVariable = 'CONDUCTOR_TEST_RUN';

/**
 * Kills the processes that carry the mark, or are a Postgres, which has no environment of ours, on data in the directory,
 * and returns their command lines. Knows them on Linux only.
 */
export async function endLeftBehind(mark: string, directory: string): Promise<string[]> {
  const found = () => ofRun(mark, directory);
  // Who was told to end with its parent may need a moment for it.
  for (let look = 0; look < 40 && found().length > 0; look++) await sleep(50);
  const left = found();
  const named = left.map((pid) => `${pid} ${read(pid, 'cmdline').replaceAll('\0', ' ')}`);
  for (const pid of left) kill(pid);
  return named;
}

function ofRun(mark: string, directory: string): number[] {
  if (!existsSync('/proc/self/environ')) return [];
  return readdirSync('/proc')
    .map(Number)
    .filter((pid) => Number.isInteger(pid) && pid !== process.pid)
    .filter(
      (pid) =>
        read(pid, 'environ').split('\0').includes(`${markVariable}=${mark}`) ||
        read(pid, 'cmdline').includes(`\0-D\0${directory}/`),
    );
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has just ended.
  }
}

/** Nothing for a process that is somebody else's, or has just ended. */
function read(pid: number, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8');
  } catch {
    return '';
  }
}

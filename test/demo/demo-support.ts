/** Demos of a test, as processes. */
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ExecutionContext } from 'ava';
import { type Process, startProcess } from '../support/processes.ts';

export const main = fileURLToPath(new URL('../../src/main.ts', import.meta.url));

export function startDemo(t: ExecutionContext, cwd: string, ...flags: string[]): Process {
  const demo = startProcess(process.execPath, [main, 'demo', ...flags], { cwd });
  t.teardown(async () => void (await demo.stop()));
  return demo;
}

export function entries(folder: string): string[] {
  const path = join(folder, '.conductor');
  return existsSync(path) ? readdirSync(path) : [];
}

/** Postgres removes the file only when it ends in good order. */
export function isOver(folder: string): boolean {
  return !existsSync(join(folder, '.conductor', 'postgres', 'postmaster.pid')) && left(folder).length === 0;
}

export function assertNothingLeft(t: ExecutionContext, folder: string): void {
  t.false(existsSync(join(folder, '.conductor', 'postgres', 'postmaster.pid')));
  t.deepEqual(left(folder), []);
  t.deepEqual(
    entries(folder).filter((name) => name.includes('unfinished')),
    [],
  );
}

/** The command lines that name the folder. */
function left(folder: string): string[] {
  const path = realpathSync(folder);
  return commandLines().filter((command) => command.includes(path));
}

function commandLines(): string[] {
  if (!existsSync('/proc/self/cmdline')) {
    return execFileSync('ps', ['-A', '-ww', '-o', 'args='], { encoding: 'utf8' }).split('\n');
  }
  return readdirSync('/proc').map((name) => {
    try {
      return readFileSync(join('/proc', name, 'cmdline'), 'utf8');
    } catch {
      // No process, or one that has just ended.
      return '';
    }
  });
}

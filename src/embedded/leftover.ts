/**
 * A killed run leaves its Postgres running. The next run finds it here and stops it, after it has checked that it is a Postgres on this
 * data directory and that the process that started it has ended.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ConfigError, codeOf } from '../core/errors.ts';
import { shutDown } from './shutdown.ts';

/** The contents of the file that Postgres writes about the server on a data directory. */
export interface PidFile {
  readonly pid: number;
  readonly ready: boolean;
}

/** The data directory's postmaster.pid. Postgres's miscadmin.h lists its lines. */
export function readPidFile(dataDirectory: string): PidFile | undefined {
  const lines = readIfThere(join(dataDirectory, 'postmaster.pid'))?.split('\n') ?? [];
  const pid = Number(lines[0]);
  return Number.isInteger(pid) && pid > 0 ? { pid, ready: lines[7]?.trim() === 'ready' } : undefined;
}

/** Reads the file in one step: a server that ends may remove it between a check and the reading. */
function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

/** The setting that puts into a server's command line which of our processes has started it. */
export function ownerSetting(pid: number): string {
  return `cluster_name=conductor-${pid}`;
}

/** Stops the Postgres of an earlier, killed run. Throws ConfigError if a living run uses the data directory. */
export async function stopLeftover(dataDirectory: string): Promise<void> {
  const pid = readPidFile(dataDirectory)?.pid;
  // The system reuses process ids: this may be any process, or a server on other data.
  if (pid === undefined || !servesFrom(dataDirectory, pid)) return;
  const owner = commandOf(pid).flatMap((word) => /^cluster_name=conductor-(\d+)$/.exec(word)?.[1] ?? [])[0];
  if (owner === undefined || isRunning(Number(owner))) {
    const user = owner === undefined ? `the Postgres server ${pid}` : `process ${owner}`;
    throw new ConfigError(`the data directory ${dataDirectory} is in use by ${user}`, {
      code: 'data-directory',
    });
  }
  await shutDown(
    (signal) => {
      if (servesFrom(dataDirectory, pid)) process.kill(pid, signal);
    },
    async (milliseconds) => {
      const deadline = Date.now() + milliseconds;
      while (servesFrom(dataDirectory, pid) && Date.now() < deadline) await sleep(20);
      return !servesFrom(dataDirectory, pid);
    },
  );
}

/** Whether the process exists and has not ended. */
export function isRunning(pid: number): boolean {
  return commandOf(pid).length > 0;
}

function servesFrom(dataDirectory: string, pid: number): boolean {
  const command = commandOf(pid);
  const at = command.indexOf('-D');
  return at !== -1 && command[at + 1] === dataDirectory;
}

/** The words of a process's command line; none if it has ended, even if its exit code has not been collected. */
function commandOf(pid: number): string[] {
  try {
    const [text, separator] = existsSync('/proc/self/cmdline')
      ? [readFileSync(`/proc/${pid}/cmdline`, 'utf8'), '\0']
      : [execFileSync('ps', ['-ww', '-o', 'command=', '-p', String(pid)], { encoding: 'utf8' }).trim(), ' '];
    return text.split(separator).filter((word) => word !== '');
  } catch {
    return [];
  }
}

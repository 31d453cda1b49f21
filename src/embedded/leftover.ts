/**
 * A run of ours that was killed leaves its Postgres behind: nobody was there to stop it. The next run finds it here and
 * stops it, after making sure that it is a Postgres on this very data directory and that whoever started it is gone.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ConfigError, codeOf } from '../core/errors.ts';
import { shutDown } from './shutdown.ts';

/** The contents of Postgres's own file about the server that runs on a data directory. */
export interface PidFile {
  readonly pid: number;
  readonly ready: boolean;
}

/** The data directory's postmaster.pid; its lines are listed in Postgres's miscadmin.h. */
export function readPidFile(dataDirectory: string): PidFile | undefined {
  const lines = readIfThere(join(dataDirectory, 'postmaster.pid'))?.split('\n') ?? [];
  const pid = Number(lines[0]);
  return Number.isInteger(pid) && pid > 0 ? { pid, ready: lines[7]?.trim() === 'ready' } : undefined;
}

/** In one step: a server that ends removes its file between a look at it and the reading. */
function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

/** The setting that makes a server say, in its command line, which process of ours has started it. */
export function ownerSetting(pid: number): string {
  return `cluster_name=conductor-${pid}`;
}

/** Stops the Postgres of an earlier, killed run. ConfigError if a living run uses the data directory. */
export async function stopLeftover(dataDirectory: string): Promise<void> {
  const pid = readPidFile(dataDirectory)?.pid;
  // A process id is used again: this may be anything by now, or a server on other data.
  if (pid === undefined || !servesFrom(dataDirectory, pid)) return;
  const owner = commandOf(pid).flatMap((word) => /^cluster_name=conductor-(\d+)$/.exec(word)?.[1] ?? [])[0];
  if (owner === undefined || isRunning(Number(owner))) {
    const user = owner === undefined ? `the Postgres server ${pid}` : `process ${owner}`;
    throw new ConfigError(`the data directory ${dataDirectory} is in use by ${user}`);
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

/** Whether there is such a process, and it has not ended. */
export function isRunning(pid: number): boolean {
  return commandOf(pid).length > 0;
}

function servesFrom(dataDirectory: string, pid: number): boolean {
  const command = commandOf(pid);
  const at = command.indexOf('-D');
  return at !== -1 && command[at + 1] === dataDirectory;
}

/** The words of a process's command line; none if it has ended, even if nobody has collected its exit code yet. */
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

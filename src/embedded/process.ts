/** Runs Postgres's own programs as child processes. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { messageOf } from '../core/errors.ts';
import { lastOutput } from './output.ts';
import { shutDown } from './shutdown.ts';
import type { ServerUser } from './user.ts';

/** The end of a program. */
export interface PostgresExit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** The last part of its output. */
  readonly output: string;
}

const running = new Set<ChildProcess>();

/** If this process ends without having stopped them, it at least signals them. */
function tellAll(): void {
  for (const child of running) child.kill('SIGINT');
}

/** A running program of Postgres. */
export interface PostgresProcess {
  readonly pid: number;
  readonly exited: Promise<PostgresExit>;
  output(): string;
  end(): Promise<void>;
}

/** Starts a program of Postgres in a process group of its own. So Ctrl-C reaches only us, and we end the program in order. */
export function run(program: string, args: string[], user: ServerUser | undefined): PostgresProcess {
  const child = spawn(program, args, {
    // Not our own working directory: the user may not enter it.
    cwd: '/',
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
    // Our environment must not change it (PGDATA, a locale). The time zone is a setting.
    env: { PATH: process.env.PATH, LC_ALL: 'C' },
    ...(user === undefined ? {} : { uid: user.uid, gid: user.gid }),
  });
  const output = lastOutput(child.stdout, child.stderr);
  const exited = exitOf(child, output);
  if (running.size === 0) process.once('exit', tellAll);
  running.add(child);
  void exited.then(() => {
    running.delete(child);
    if (running.size === 0) process.off('exit', tellAll);
  });
  return {
    // Undefined if it could not be started. Then `exited` says why.
    pid: child.pid ?? 0,
    exited,
    output,
    end: () =>
      shutDown(
        (signal) => child.kill(signal),
        (milliseconds) => Promise.race([exited.then(() => true), sleep(milliseconds, false, { ref: false })]),
      ),
  };
}

async function exitOf(child: ChildProcess, output: () => string): Promise<PostgresExit> {
  try {
    await once(child, 'close');
    return { code: child.exitCode, signal: child.signalCode, output: output() };
  } catch (error) {
    return { code: null, signal: null, output: messageOf(error) };
  }
}

/** Child processes of the tests: each in a process group of its own, its output kept, ended at the latest with us. */
import { spawn } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { constants as system } from 'node:os';
import { delimiter, join } from 'node:path';
import { lastOutput } from '../../src/embedded/output.ts';

export { waitFor } from './wait.ts';

export interface ProcessOptions {
  /** Replaces the environment; without it the child has ours. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly cwd?: string;
  /** Written to its standard input, which is empty otherwise. */
  readonly input?: string;
}

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface Process {
  readonly pid: number;
  /** The last 64 Ki characters of what it has printed on either stream, or on one. */
  output(): string;
  stdout(): string;
  stderr(): string;
  /** Resolves when it has ended and all its output is here. */
  readonly exited: Promise<Exit>;
  /** To the process itself. */
  signal(name: NodeJS.Signals): void;
  /** Asks it to end, kills its whole group past the deadline (10 s). Twice is harmless. */
  stop(): Promise<Exit>;
  /** Kills its whole group at once (SIGKILL). */
  kill(): Promise<Exit>;
}

/** The process groups that we have started and that still run. */
const running = new Set<number>();

/** Starts a program; throws if there is no such program. */
export function startProcess(
  program: string,
  args: readonly string[],
  options: ProcessOptions = {},
): Process {
  endChildrenWithUs();
  const child = spawn(program, args, {
    detached: true,
    stdio: 'pipe',
    ...(options.env === undefined ? {} : { env: options.env }),
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
  });
  child.on('error', () => {});
  const { pid } = child;
  if (pid === undefined) throw new Error(`cannot start ${program}: is it installed?`);
  child.stdin.on('error', () => {});
  child.stdin.end(options.input ?? '');
  running.add(pid);
  const output = lastOutput(child.stdout, child.stderr);
  const exited = new Promise<Exit>((resolve) => {
    // Not on `exit`: what it has started itself may live on, in its group and with its output.
    child.once('close', (code, signal) => {
      running.delete(pid);
      resolve({ code, signal });
    });
  });
  const kill = () => {
    if (running.has(pid)) killGroup(pid);
    return exited;
  };
  return {
    pid,
    output,
    stdout: lastOutput(child.stdout),
    stderr: lastOutput(child.stderr),
    exited,
    signal: (name) => void child.kill(name),
    kill,
    stop: async () => {
      child.kill('SIGTERM');
      const deadline = setTimeout(kill, 10_000);
      const exit = await exited;
      clearTimeout(deadline);
      return exit;
    },
  };
}

/** The environment of a process that is to know nothing of ours. Node's compile cache is no more than time. */
export function bareEnvironment(): Record<string, string | undefined> {
  const { PATH, NODE_COMPILE_CACHE } = process.env;
  return { PATH, ...(NODE_COMPILE_CACHE !== undefined && { NODE_COMPILE_CACHE }) };
}

/** The path of an installed program, also where only root's PATH looks. */
export function findProgram(name: string, folders: readonly string[] = []): string | undefined {
  const path = (process.env.PATH ?? '').split(delimiter);
  return [...folders, ...path, '/usr/sbin', '/usr/local/sbin', '/opt/homebrew/bin']
    .map((folder) => join(folder, name))
    .find(isExecutable);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function killGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // It has ended already.
  }
}

/** Kills all that we have started and that still runs. */
export function killAllProcesses(): void {
  for (const pid of running) killGroup(pid);
}

let arranged = false;

/** Children in groups of their own do not get the terminal's Ctrl-C, and nobody else's signals: they end when we do. */
function endChildrenWithUs(): void {
  if (arranged) return;
  arranged = true;
  process.once('exit', killAllProcesses);
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    // Who handles the signal already also ends in an orderly way, by the line above.
    if (process.listenerCount(signal) === 0)
      process.once(signal, () => process.exit(128 + system.signals[signal]));
  }
}

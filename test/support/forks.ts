/** Python programs that share their imports: test/fixtures/forks.py imports them once, and forks for each program. */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { lastOutput } from '../../src/embedded/output.ts';

/** A program that runs, or has run. */
export interface Fork {
  /** Its output on both streams. */
  output(): string;
  /** Resolves with its exit code, negative for a signal, when all its output is here. */
  readonly exited: Promise<number>;
  /** Kills it, if it still runs. */
  kill(): Promise<number>;
}

export interface Forks {
  /** Starts a program of test/fixtures. */
  start(program: string, args: readonly string[]): Fork;
  /** Ends the process, and what it has forked. It ends by itself with ours. */
  end(): Promise<void>;
}

interface Running {
  readonly id: number;
  text: string;
  pid: number | undefined;
  readonly exited: PromiseWithResolvers<number>;
}

/** What forks.py says of a program. */
interface Said {
  readonly id: number;
  readonly pid?: number;
  readonly text?: string;
  readonly code?: number;
}

/** Starts the process that imports these modules. */
export function startForks(python: string, modules: readonly string[]): Forks {
  const file = fileURLToPath(new URL('../fixtures/forks.py', import.meta.url));
  const child = spawn(python, [file, ...modules]);
  const errors = lastOutput(child.stderr);
  const all = new Map<number, Running>();
  const hear = ({ id, pid, text, code }: Said) => {
    const running = all.get(id);
    if (running === undefined) return;
    running.pid ??= pid;
    running.text += text ?? '';
    if (code === undefined) return;
    all.delete(id);
    running.exited.resolve(code);
  };
  const ended = new Promise<void>((resolve) => {
    child.once('close', (code) => {
      for (const { id } of all.values())
        hear({ id, text: `forks.py ended with ${code}: ${errors()}`, code: 1 });
      resolve();
    });
  });
  child.on('error', () => {});
  child.stdin.on('error', () => {});
  createInterface({ input: child.stdout }).on('line', (line) => hear(JSON.parse(line)));
  let lastId = 0;
  return {
    start: (program, args) => {
      if (child.exitCode !== null) throw new Error(`forks.py has ended: ${errors()}`);
      const id = ++lastId;
      const running: Running = { id, text: '', pid: undefined, exited: Promise.withResolvers<number>() };
      all.set(id, running);
      child.stdin.write(`${JSON.stringify({ id, program, args })}\n`);
      return {
        output: () => running.text,
        exited: running.exited.promise,
        kill: async () => {
          if (running.pid !== undefined && all.has(id)) process.kill(running.pid, 'SIGKILL');
          return running.exited.promise;
        },
      };
    },
    end: async () => {
      child.stdin.end();
      await ended;
    },
  };
}

import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { lastOutput } from '../../src/embedded/output.ts';

/** Processes that the bench asks, one request after the other. Messages cross as structured clones. */

/** A request to a process: the name of one of its functions, and its input. */
interface Request {
  readonly id: number;
  readonly name: string;
  readonly input: unknown;
}

type Answer = { readonly id: number } & ({ readonly result: unknown } | { readonly error: string });

export interface Child {
  readonly pid: number;
  /** The last output. */
  output(): string;
  /** Calls a function of the process. Rejects if it fails or the process ends. */
  ask<Result>(name: string, input?: unknown): Promise<Result>;
  /** Asks it to stop, and waits for its end. Kills it after ten seconds. A second call does nothing. */
  stop(): Promise<void>;
  /** As `kill -9`. */
  kill(): Promise<void>;
}

/** Milliseconds until a process that was asked to stop is killed. */
const patience = 10_000;

const running = new Set<ReturnType<typeof fork>>();
process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

/** The bench was ended by a signal. */
export class Interrupted extends Error {
  override readonly name = 'Interrupted';
}

const interruption = Promise.withResolvers<never>();
let isInterrupted = false;
// Nobody may be waiting for it.
interruption.promise.catch(() => {});

/** Rejects with Interrupted at the first signal. */
export const interrupted: Promise<never> = interruption.promise;

/** From now on the first signal ends the processes of the bench, so that it removes what it has made. The second one ends the bench at once. */
export function handleSignals(): void {
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
    process.on(signal, () => {
      if (isInterrupted) process.exit(130);
      isInterrupted = true;
      interruption.reject(new Interrupted('interrupted: what the bench has made is removed'));
      for (const child of running) child.kill('SIGKILL');
    });
}

/** Starts a file of the bench. Resolves once `answer` there has made its functions from the task. Rejects if it fails. */
export async function startChild(file: string, task: unknown, execArgv: string[] = []): Promise<Child> {
  if (isInterrupted) throw new Interrupted('interrupted');
  const path = fileURLToPath(new URL(file, import.meta.url));
  const child = fork(path, { execArgv, serialization: 'advanced', stdio: ['ignore', 'pipe', 'pipe', 'ipc'] });
  const { stdout, stderr, pid } = child;
  if (stdout === null || stderr === null || pid === undefined) throw new Error(`cannot start ${file}`);
  const output = lastOutput(stdout, stderr);
  running.add(child);
  const waiting = new Map<number, PromiseWithResolvers<unknown>>();
  let hasEnded = false;
  const exited = new Promise<void>((resolve) => {
    child.once('close', (code, signal) => {
      running.delete(child);
      hasEnded = true;
      const error = new Error(`${file} ended with ${signal ?? code}:\n${output()}`);
      for (const { reject } of waiting.values()) reject(error);
      waiting.clear();
      resolve();
    });
  });
  child.on('error', () => {});
  child.on('message', (answer: Answer) => {
    const one = waiting.get(answer.id);
    waiting.delete(answer.id);
    if ('error' in answer) one?.reject(new Error(`${file}: ${answer.error}`));
    else one?.resolve(answer.result);
  });
  let next = 0;
  const send = (name: string, input: unknown): Promise<unknown> => {
    if (hasEnded) return Promise.reject(new Error(`${file} has ended:\n${output()}`));
    const one = Promise.withResolvers<unknown>();
    next += 1;
    waiting.set(next, one);
    const request: Request = { id: next, name, input };
    // If it cannot be sent, the process has ended, and its end rejects.
    child.send(request, () => {});
    return one.promise;
  };
  const kill = async () => {
    child.kill('SIGKILL');
    await exited;
  };
  const stop = async () => {
    if (hasEnded) return;
    const timer = setTimeout(() => child.kill('SIGKILL'), patience);
    // Its end may come before its answer.
    await send('stop', undefined).catch(() => {});
    await exited;
    clearTimeout(timer);
  };
  await send('begin', task);
  return {
    pid,
    output,
    ask: async <Result>(name: string, input?: unknown) => (await send(name, input)) as Result,
    stop,
    kill,
  };
}

/** The functions of a process. `stop` is the last one that is called. */
export interface Functions {
  stop(): Promise<unknown>;
}

/** The inside of a process: makes its functions from the task, then calls them as it is asked. */
export function answer<Task>(begin: (task: Task) => Promise<Functions>): void {
  let functions: Functions | undefined;
  const call = async ({ name, input }: Request): Promise<unknown> => {
    if (name === 'begin') {
      functions = await begin(input as Task);
      return undefined;
    }
    const one: unknown = functions === undefined ? undefined : Reflect.get(functions, name);
    if (typeof one !== 'function') throw new Error(`no function ${name}`);
    return Reflect.apply(one, functions, [input]);
  };
  process.on('message', (request: Request) => {
    const reply = (answer: Answer) =>
      process.send?.(answer, () => request.name === 'stop' && process.exit(0));
    call(request).then(
      (result) => reply({ id: request.id, result }),
      (error: unknown) =>
        reply({
          id: request.id,
          error: error instanceof Error ? (error.stack ?? error.message) : String(error),
        }),
    );
  });
  // The bench has ended.
  process.on('disconnect', () => process.exit(1));
}

/** A server that a test stops, kills and starts again on the same port and data. */
export interface Server {
  /** Of the process that runs now, or ran last. */
  readonly pid: number;
  /** What the present run has printed, if that is kept. */
  readonly output?: () => string;
  /** In good order. Twice is harmless. */
  stop(): Promise<void>;
  /** With SIGKILL, as in a crash. */
  kill(): Promise<void>;
  /** Stops it if it runs, and starts it on the same port and data; resolves once it is ready. */
  restart(): Promise<void>;
}

/** One run of a server. */
export interface Run {
  readonly pid: number;
  readonly output?: () => string;
  stop(): Promise<unknown>;
  kill(): Promise<unknown>;
}

/** Starts a server that `start` can start any number of times. */
export async function startServer(start: () => Promise<Run>): Promise<Server> {
  let run = await start();
  return {
    get pid() {
      return run.pid;
    },
    output: () => run.output?.() ?? '',
    stop: async () => void (await run.stop()),
    kill: async () => void (await run.kill()),
    restart: async () => {
      await run.stop();
      run = await start();
    },
  };
}

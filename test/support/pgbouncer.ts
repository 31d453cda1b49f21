import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePort, isListening } from './ports.ts';
import type { Postgres } from './postgres.ts';
import { findProgram, startProcess, waitFor } from './processes.ts';
import { type Run, type Server, startServer } from './server.ts';
import { temporaryDirectory } from './temporary.ts';

export interface PgbouncerOptions {
  readonly program: string;
  /** What lies behind it. */
  readonly postgres: Postgres;
  /** Connections to Postgres, for each database. */
  readonly poolSize?: number;
}

/** How to reach a PgBouncer. */
export interface Pgbouncer {
  readonly port: number;
  /** The same URL, by way of PgBouncer. */
  url(direct: string): string;
}

/** The program's path; undefined where it is not installed. */
export function findPgbouncer(): string | undefined {
  return findProgram('pgbouncer');
}

/** Starts a PgBouncer in transaction mode, with its defaults: any transaction of a client may have another connection. */
export async function startPgbouncer(options: PgbouncerOptions): Promise<Pgbouncer & Server> {
  const port = await freePort();
  const directory = temporaryDirectory('pgbouncer');
  const file = join(directory, 'pgbouncer.ini');
  const users = join(directory, 'users.txt');
  writeFileSync(users, '"conductor" ""\n');
  writeFileSync(file, configuration(port, users, options).join('\n'));
  const server = await startServer(() => run(options.program, file, port));
  const url = (direct: string) => direct.replace(`:${options.postgres.port}/`, `:${port}/`);
  return Object.assign(server, { port, url });
}

function configuration(port: number, users: string, { postgres, poolSize = 4 }: PgbouncerOptions): string[] {
  return [
    '[databases]',
    `* = host=127.0.0.1 port=${postgres.port}`,
    '[pgbouncer]',
    'listen_addr = 127.0.0.1',
    `listen_port = ${port}`,
    'unix_socket_dir =',
    'auth_type = trust',
    `auth_file = ${users}`,
    'pool_mode = transaction',
    `default_pool_size = ${poolSize}`,
    // The one that has waited longest comes next, so that a client soon meets another's connection.
    'server_round_robin = 1',
    // After a restart of Postgres the first client would wait for 15 s.
    'server_login_retry = 1',
    '',
  ];
}

async function run(program: string, file: string, port: number): Promise<Run> {
  // It refuses to be root.
  const user = process.getuid?.() === 0 ? ['-u', 'nobody'] : [];
  const child = startProcess(program, [...user, file]);
  await waitFor(() => isListening(port), { what: 'pgbouncer to listen', process: child });
  return child;
}

import { writeFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { freePort, isListening } from './ports.ts';
import { findProgram, startProcess, waitFor } from './processes.ts';
import { type Run, type Server, startServer } from './server.ts';
import { temporaryDirectory } from './temporary.ts';

export interface MosquittoOptions {
  /** Messages on their way to one client; 10 000 unless told. Mosquitto's own default is 20. */
  readonly maxInflightMessages?: number;
  /** Who is let in, and by what, is a matter of each listener; that of `url` lets everybody in. */
  readonly perListener?: boolean;
  /** Ports of the listeners in `settings`: each opens in its own time. */
  readonly furtherPorts?: readonly number[];
  /** Further lines of mosquitto.conf. */
  readonly settings?: readonly string[];
}

/** How to reach a Mosquitto. */
export interface Mosquitto {
  readonly port: number;
  readonly url: string;
}

/** The program's path; undefined where it is not installed. */
export function findMosquitto(): string | undefined {
  return findProgram('mosquitto');
}

/** A Mosquitto as another process has started it. */
export function mosquittoAt(port: number): Mosquitto {
  return { port, url: `mqtt://127.0.0.1:${port}` };
}

/**
 * Starts a Mosquitto that drops nothing, however much is queued. Sessions and messages survive `restart()`; `kill()`
 * loses all since the last stop, as Mosquitto writes its file only then.
 */
export async function startMosquitto(options: MosquittoOptions = {}): Promise<Mosquitto & Server> {
  const program = findMosquitto();
  if (program === undefined) throw new Error('mosquitto is not installed');
  const port = await freePort();
  const directory = temporaryDirectory('mosquitto');
  const file = join(directory, 'mosquitto.conf');
  writeFileSync(file, configuration(port, directory, options).join('\n'));
  const server = await startServer(() => run(program, file, [port, ...(options.furtherPorts ?? [])]));
  return Object.assign(server, mosquittoAt(port));
}

function configuration(port: number, directory: string, options: MosquittoOptions): string[] {
  return [
    ...(options.perListener === true ? ['per_listener_settings true'] : []),
    `listener ${port} 127.0.0.1`,
    'allow_anonymous true',
    // Root would become the user mosquitto, who cannot write to our directory.
    `user ${userInfo().username}`,
    'persistence true',
    `persistence_location ${directory}/`,
    'autosave_interval 0',
    'max_queued_messages 0',
    'max_queued_bytes 0',
    // 0, no limit, is no choice: packet ids end at 65 535, and more may be queued.
    `max_inflight_messages ${options.maxInflightMessages ?? 10_000}`,
    'set_tcp_nodelay true',
    'sys_interval 1',
    'log_dest stderr',
    ...['error', 'warning', 'notice'].map((type) => `log_type ${type}`),
    ...(options.settings ?? []),
    '',
  ];
}

async function run(program: string, file: string, ports: readonly number[]): Promise<Run> {
  const child = startProcess(program, ['-c', file]);
  for (const port of ports)
    await waitFor(() => isListening(port), { what: 'mosquitto to listen', process: child });
  return child;
}

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePort } from './ports.ts';
import { findProgram, startProcess, waitFor } from './processes.ts';
import { type Run, type Server, startServer } from './server.ts';
import { temporaryDirectory } from './temporary.ts';

/** How to reach a NATS server. */
export interface Nats {
  readonly port: number;
  readonly url: string;
  /** Its monitoring pages: /varz, /connz, /jsz. */
  readonly monitorUrl: string;
  readonly monitorPort: number;
}

/** The program's path; undefined where it is not installed. */
export function findNats(): string | undefined {
  return findProgram('nats-server');
}

/** A NATS server as another process has started it. */
export function natsAt(port: number, monitorPort: number): Nats {
  return {
    port,
    url: `nats://127.0.0.1:${port}`,
    monitorPort,
    monitorUrl: `http://127.0.0.1:${monitorPort}`,
  };
}

/**
 * Starts a NATS server with JetStream, whose streams survive `restart()` and `kill()`.
 *
 * @param settings further lines of its configuration file, such as who may sign in.
 */
export async function startNats(settings: readonly string[] = []): Promise<Nats & Server> {
  const program = findNats();
  if (program === undefined) throw new Error('nats-server is not installed');
  const [port, monitorPort] = [await freePort(), await freePort()];
  const store = temporaryDirectory('nats');
  const listen = ['--addr', '127.0.0.1', '--port', String(port), '--http_port', String(monitorPort)];
  const file = join(store, 'nats.conf');
  writeFileSync(file, settings.join('\n'));
  const rest = ['--jetstream', '--store_dir', store, '--config', file];
  const server = await startServer(() => run(program, [...listen, ...rest]));
  return Object.assign(server, natsAt(port, monitorPort));
}

async function run(program: string, args: readonly string[]): Promise<Run> {
  const child = startProcess(program, args);
  const ready = () => child.output().includes('Server is ready');
  await waitFor(ready, { what: 'nats-server to be ready', process: child });
  return child;
}

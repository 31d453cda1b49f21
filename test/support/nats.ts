import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePort } from './ports.ts';
import { findProgram, startProcess, waitFor } from './processes.ts';
import { type Run, type Server, startServer } from './server.ts';
import { temporaryDirectory } from './temporary.ts';

export interface NatsOptions {
  /** PEM files: with them it speaks TLS only, and asks for a client certificate that `ca` has signed. */
  readonly tls?: { readonly ca: string; readonly cert: string; readonly key: string };
  /** Who is let in; everybody unless told. */
  readonly users?: ReadonlyArray<{ readonly user: string; readonly password: string }>;
  /** Further lines of the configuration file. */
  readonly settings?: readonly string[];
  /** Another one than the system's. */
  readonly program?: string;
}

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

/** Starts a NATS server with JetStream, whose streams survive `restart()` and `kill()`. */
export async function startNats(
  options: NatsOptions = {},
): Promise<Nats & Server & { readonly store: string }> {
  const program = options.program ?? findNats();
  if (program === undefined) throw new Error('nats-server is not installed');
  const [port, monitorPort] = [await freePort(), await freePort()];
  const store = temporaryDirectory('nats');
  const listen = ['--addr', '127.0.0.1', '--port', String(port), '--http_port', String(monitorPort)];
  const file = join(store, 'nats.conf');
  writeFileSync(file, configuration(options).join('\n'));
  const args = ['--config', file, ...listen, '--jetstream', '--store_dir', store];
  const server = await startServer(() => run(program, args));
  return Object.assign(server, natsAt(port, monitorPort), { store });
}

/** In NATS's own form, which takes JSON's texts. */
function configuration({ tls, users, settings = [] }: NatsOptions): string[] {
  return [
    ...(tls === undefined
      ? []
      : [
          'tls {',
          `  cert_file: ${JSON.stringify(tls.cert)}`,
          `  key_file: ${JSON.stringify(tls.key)}`,
          `  ca_file: ${JSON.stringify(tls.ca)}`,
          '  verify: true',
          '}',
        ]),
    ...(users === undefined ? [] : [`authorization { users: ${JSON.stringify(users)} }`]),
    ...settings,
    '',
  ];
}

async function run(program: string, args: readonly string[]): Promise<Run> {
  const child = startProcess(program, args);
  const ready = () => child.output().includes('Server is ready');
  await waitFor(ready, { what: 'nats-server to be ready', process: child });
  return child;
}

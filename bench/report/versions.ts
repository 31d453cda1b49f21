import { execFile } from 'node:child_process';
import { realpathSync } from 'node:fs';
import { promisify } from 'node:util';
import { findMosquitto } from '../../test/support/mosquitto.ts';
import { findNats } from '../../test/support/nats.ts';
import { systemBinaries } from '../../test/support/postgres.ts';
import { findRabbitmq } from '../../test/support/rabbitmq.ts';

const run = promisify(execFile);

/** The versions of Node and of the servers that are installed. A deployer's own server may have another. */
export async function programVersions(): Promise<Record<string, string>> {
  const found: Record<string, string> = { node: process.version };
  const programs: readonly (readonly [name: string, path: string | undefined, args: readonly string[]])[] = [
    ['postgres', systemBinaries()?.postgres, ['--version']],
    ['nats-server', findNats(), ['--version']],
    ['mosquitto', findMosquitto(), ['-h']],
  ];
  for (const [name, path, args] of programs) {
    if (path === undefined) continue;
    const text = await outputOf(path, args);
    const version = /\d+(\.\d+)+/.exec(text)?.[0];
    if (version !== undefined) found[name] = version;
  }
  const rabbitmq = rabbitmqVersion();
  if (rabbitmq !== undefined) found.rabbitmq = rabbitmq;
  return found;
}

/** From the folder of the program. `rabbitmqctl version` would start Erlang's port mapper and leave it behind. */
function rabbitmqVersion(): string | undefined {
  const program = findRabbitmq();
  return program === undefined ? undefined : /rabbitmq_server-([\d.]+)/.exec(realpathSync(program))?.[1];
}

/** What a program prints; mosquitto ends with 3 after its help. */
async function outputOf(path: string, args: readonly string[]): Promise<string> {
  try {
    return (await run(path, [...args], { timeout: 15_000 })).stdout;
  } catch (error) {
    return typeof error === 'object' && error !== null && 'stdout' in error ? String(error.stdout) : '';
  }
}

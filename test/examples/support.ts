import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { type Process, startProcess } from '../support/processes.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));

/** Debian's, for which Debian packages the clients. */
export const python = '/usr/bin/python3';

const programs: Readonly<Record<string, string>> = { python3: python, node: process.execPath, bash: 'bash' };

/** The part of ava's `t` that is used here. */
interface Test {
  teardown(end: () => Promise<unknown>): void;
}

/**
 * Starts the one command of examples/README.md that begins so, with another instance and another broker; killed at the end
 * of the test.
 */
export function startExample(
  t: Test,
  beginning: string,
  instanceId: string,
  url: string,
  variables: Readonly<Record<string, string>>,
): Process {
  const lines = readFileSync(`${root}examples/README.md`, 'utf8').split('\n');
  const [command, ...others] = lines.filter((line) => line.startsWith(beginning));
  if (command === undefined || others.length > 0)
    throw new Error(`examples/README.md has no one command that begins with ${beginning}`);
  const [name = '', file = ''] = command.split(' ');
  const guest = startProcess(programs[name] ?? name, [file, instanceId, url], {
    cwd: root,
    env: { ...process.env, PYTHONDONTWRITEBYTECODE: '1', ...variables },
  });
  t.teardown(guest.kill);
  return guest;
}

/** Trove and oslo.messaging on the other side: Debian's packages, where they are installed. */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { isObject, type JsonObject } from '../../src/core/json.ts';
import { type Process, startProcess } from './processes.ts';
import { waitFor } from './wait.ts';

export const python = '/usr/bin/python3';

/** Tests have to be declared at once, so this cannot wait. */
export const hasTrove = spawnSync(python, ['-c', 'import trove']).status === 0;
export const hasOslo = hasTrove || spawnSync(python, ['-c', 'import oslo_messaging']).status === 0;

export const withoutTrove = 'Trove is not installed: apt-get install python3-trove';
export const withoutOslo = 'oslo.messaging is not installed: apt-get install python3-oslo.messaging';

/** Starts a program of test/fixtures; `url` is the broker's, as the conductor has it. */
export function startPython(name: string, url: string, ...args: string[]): Process {
  const file = fileURLToPath(new URL(`../fixtures/${name}`, import.meta.url));
  return startProcess(python, [file, url.replace('amqp://', 'rabbit://'), ...args]);
}

/** The same, run to its end: the lines of JSON that it has printed. */
export async function runPython(name: string, url: string, ...args: string[]): Promise<JsonObject[]> {
  const child = startPython(name, url, ...args);
  const { code } = await child.exited;
  if (code !== 0) throw new Error(`${name} ended with ${code}:\n${child.output()}`);
  return objectsIn(child.stdout());
}

export interface Listener {
  /** What it has heard, once that is so many. */
  heard(count: number): Promise<JsonObject[]>;
}

/** A real listener for notifications; resolves once it listens. Ends by itself after so many, at the latest with the test. */
export async function startListener(
  t: { teardown(end: () => Promise<unknown>): void },
  url: string,
  count: number,
): Promise<Listener> {
  const child = startPython('oslo_listener.py', url, String(count));
  t.teardown(child.kill);
  await waitFor(() => child.stdout().includes('"listening"'), {
    what: 'the listener to listen',
    timeout: 30_000,
    process: child,
  });
  return {
    heard: (wanted) =>
      waitFor(
        () => {
          const heard = objectsIn(child.stdout());
          return heard.length >= wanted && heard;
        },
        { what: `${wanted} notifications`, timeout: 30_000 },
      ),
  };
}

function objectsIn(output: string): JsonObject[] {
  return output.split('\n').flatMap((line) => {
    if (!line.startsWith('{')) return [];
    const value: unknown = JSON.parse(line);
    return isObject(value) ? [value] : [];
  });
}

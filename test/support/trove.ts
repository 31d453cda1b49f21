/** Trove and oslo.messaging on the other side: Debian's packages, where they are installed. */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { isObject, type JsonObject } from '../../src/core/json.ts';
import { type Fork, type Forks, startForks } from './forks.ts';
import { type Process, startProcess } from './processes.ts';
import { waitFor } from './wait.ts';

export const python = '/usr/bin/python3';

/** Tests have to be declared at once, so this cannot wait. */
export const hasTrove = spawnSync(python, ['-c', 'import trove']).status === 0;
export const hasOslo = hasTrove || spawnSync(python, ['-c', 'import oslo_messaging']).status === 0;

/** Of every program; what it imports besides is its own. */
const imports = ['oslo_messaging._drivers.impl_rabbit'];

export const withoutTrove = 'Trove is not installed: apt-get install python3-trove';
export const withoutOslo = 'oslo.messaging is not installed: apt-get install python3-oslo.messaging';

/** Starts a program of test/fixtures; `url` is the broker's, as the conductor has it. */
export function startPython(name: string, url: string, ...args: string[]): Process {
  const file = fileURLToPath(new URL(`../fixtures/${name}`, import.meta.url));
  return startProcess(python, [file, rabbitUrl(url), ...args]);
}

function rabbitUrl(url: string): string {
  return url.replace('amqp://', 'rabbit://');
}

export interface Listener {
  /** What it has heard, once that is so many. */
  heard(count: number): Promise<JsonObject[]>;
}

/** One process for all programs of a test file: what they import takes longer than what they do. */
export interface Programs {
  /** Runs one to its end. Resolves with its lines of JSON. */
  run(name: string, url: string, ...args: string[]): Promise<JsonObject[]>;
  /** A real listener for notifications; resolves once it listens. Ends by itself after so many, at the latest with the test. */
  listen(t: { teardown(end: () => Promise<unknown>): void }, url: string, count: number): Promise<Listener>;
  /** For `test.after.always`: kills those that still run. */
  end(): Promise<void>;
}

/** The process starts with the first program. */
export function pythonPrograms(): Programs {
  let started: Forks | undefined;
  const start = (name: string, url: string, ...args: string[]) => {
    started ??= startForks(python, hasTrove ? [...imports, 'trove.conductor.api'] : imports);
    return started.start(name, [rabbitUrl(url), ...args]);
  };
  return {
    run: async (name, url, ...args) => {
      const fork = start(name, url, ...args);
      const code = await fork.exited;
      if (code !== 0) throw new Error(`${name} ended with ${code}:\n${fork.output()}`);
      return objectsIn(fork.output());
    },
    listen: async (t, url, count) => {
      const fork = start('oslo_listener.py', url, String(count));
      t.teardown(fork.kill);
      await waitFor(() => fork.output().includes('"listening"'), {
        what: 'the listener to listen',
        timeout: 30_000,
        process: fork,
      });
      return listenerOf(fork);
    },
    end: async () => started?.end(),
  };
}

function listenerOf(fork: Fork): Listener {
  return {
    heard: (wanted) =>
      waitFor(
        () => {
          const heard = objectsIn(fork.output());
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

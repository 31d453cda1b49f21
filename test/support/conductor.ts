/** Conductors for tests: as processes of their own, as a deployer runs them, or within the test's own process. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { stringify } from 'yaml';
import type { Conductor } from '../../src/conductor/replica.ts';
import { nodeOptions } from './node-options.ts';
import { type Process, startProcess } from './processes.ts';
import { temporaryDirectory } from './temporary.ts';
import { waitFor } from './wait.ts';

export interface ConductorOptions {
  /** Of a migrated database. */
  readonly database: string;
  /** The entries under `transports`, by name. */
  readonly transports: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  /** How many of them come up at the start; all unless told. */
  readonly reachable?: number;
  /** Further keys of the configuration, over those of the tests. */
  readonly settings?: {
    readonly [key: string]: unknown;
    readonly database?: Readonly<Record<string, unknown>>;
  };
  /** Of a process: the folder that its configuration is written to; one of its own unless told. */
  readonly folder?: string;
  /** Of a process: the entry to run; ours in src/ unless told. */
  readonly main?: string;
  /** Of a process: further environment variables. */
  readonly variables?: Readonly<Record<string, string>>;
}

/** One line of a conductor's log. */
export interface LogLine {
  readonly msg: string;
  readonly [key: string]: unknown;
}

export interface Log {
  /** All lines that are there, oldest first. */
  all(): LogLine[];
  /** The lines with this message that are there, oldest first. */
  lines(message: string): LogLine[];
  /** Waits for the nth line with this message; the first unless told. */
  line(message: string, nth?: number): Promise<LogLine>;
}

export type ConductorProcess = Process & { readonly log: Log };
export type ConductorHere = Conductor & { readonly log: Log };

/** The part of ava's `t` that is used here. */
interface Test {
  teardown(end: () => Promise<unknown>): void;
}

/** So that tests need not wait: the delays of the defaults are made for brokers and guests that are to be spared. */
const impatient = {
  replica: 'test',
  reconnect: { base: 50, max: 500 },
  deferred: { interval: 100, firstDelay: 100, maxDelay: 500 },
};

/** Milliseconds. A start takes one second, and several on a busy machine. */
const patience = 60_000;

/** The configuration, as the text of a file. */
export function configurationOf({ database: url, transports, settings = {} }: ConductorOptions): string {
  const { database, ...others } = settings;
  return stringify({ ...impatient, ...others, database: { ...database, url }, transports });
}

/** Starts `conductor start` as a process, killed at the end of the test; resolves once every transport consumes. */
export async function startConductorProcess(t: Test, options: ConductorOptions): Promise<ConductorProcess> {
  const conductor = spawnConductor(t, options);
  await allConsume(conductor, options);
  return conductor;
}

/** The same, but returns at once: what a broker has for it may arrive before it says that it consumes. */
export function spawnConductor(t: Test, options: ConductorOptions): ConductorProcess {
  const file = join(options.folder ?? temporaryDirectory('conductor'), 'conductor.yaml');
  writeFileSync(file, configurationOf(options));
  return runConductor(t, ['start', '--config', file], options.variables, options.main);
}

/** Runs the command line with these arguments, and with further environment variables. */
export function runConductor(
  t: Test,
  args: readonly string[],
  variables: Readonly<Record<string, string>> = {},
  main = fileURLToPath(new URL('../../src/main.ts', import.meta.url)),
): ConductorProcess {
  const child = startProcess(process.execPath, [...nodeOptions, main, ...args], {
    env: { ...environmentWithoutOurs(), ...variables },
  });
  t.teardown(child.kill);
  return Object.assign(child, { log: logOf(() => child.stderr().split('\n').flatMap(parseLine), child) });
}

/**
 * Starts a replica within this process, with the database user of a replica if the database was migrated by the tests; stopped
 * at the end of the test. Resolves once every transport consumes.
 */
export async function startConductorHere(t: Test, options: ConductorOptions): Promise<ConductorHere> {
  const written: LogLine[] = [];
  const write = (text: string) => void written.push(...parseLine(text));
  // Not above: database.ts loads ava, and the harness of faults runs without it. The others are most of the product, and many test files
  // only run the command line.
  const [
    { grantReplica, replicaUrl },
    { startConductor },
    { parseConfig },
    { transportKinds },
    { lineForm },
    { pino },
  ] = await Promise.all([
    import('./database.ts'),
    import('../../src/conductor.ts'),
    import('../../src/core/config/load.ts'),
    import('../../src/transports/index.ts'),
    import('../../src/core/logger.ts'),
    import('pino'),
  ]);
  const database = replicaUrl(options.database);
  const config = parseConfig(configurationOf({ ...options, database }), 'test', {}, transportKinds);
  await grantReplica(options.database, config.access);
  const conductor = await startConductor(config, pino(lineForm, { write }));
  t.teardown(() => conductor.stop());
  const here = Object.assign(conductor, { log: logOf(() => written) });
  await allConsume(here, options);
  return here;
}

async function allConsume({ log }: { log: Log }, { transports, reachable }: ConductorOptions): Promise<void> {
  const count = reachable ?? Object.keys(transports).length;
  if (count > 0) await log.line('consuming', count);
}

/** A conductor refuses variables of its prefix that it does not know, and the test run has some. */
export function environmentWithoutOurs(): Record<string, string | undefined> {
  const entries = Object.entries(process.env).filter(([name]) => !name.startsWith('CONDUCTOR_'));
  return Object.fromEntries(entries);
}

function logOf(all: () => LogLine[], process?: Process): Log {
  const lines = (message: string) => all().filter(({ msg }) => msg === message);
  return {
    all,
    lines,
    line: (message, nth = 1) =>
      waitFor(() => lines(message)[nth - 1], {
        what: `the conductor to log "${message}" ${nth === 1 ? 'once' : `${nth} times`}`,
        timeout: patience,
        ...(process !== undefined && { process }),
      }),
  };
}

/** None for what is no line of the log: an error of Node's, or a line whose beginning is no longer kept. */
function parseLine(text: string): LogLine[] {
  try {
    const line: unknown = JSON.parse(text);
    return isLogLine(line) ? [line] : [];
  } catch {
    return [];
  }
}

function isLogLine(value: unknown): value is LogLine {
  return typeof value === 'object' && value !== null && 'msg' in value && typeof value.msg === 'string';
}

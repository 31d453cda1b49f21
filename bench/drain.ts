import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { migrate } from '../src/database/migrate.ts';
import { nodeOptions } from '../test/support/node-options.ts';
import { freePort } from '../test/support/ports.ts';
import { startPostgres } from '../test/support/postgres.ts';
import { startProcess } from '../test/support/processes.ts';
import { type BenchTransport, startBroker } from './brokers/index.ts';
import { instanceId } from './messages.ts';

export interface DrainOptions {
  readonly transport: BenchTransport;
  readonly messages: number;
  readonly instances: number;
  readonly rounds: number;
  /** Further settings of the conductor, such as `workers`. */
  readonly settings: Record<string, unknown>;
  /** Whether the conductor's metrics are scraped each second meanwhile. */
  readonly scrape?: boolean;
  /** A folder for CPU profiles of the measured processes. */
  readonly profile?: string;
}

/** The input of a measured process, as JSON in its first argument. */
export interface DrainTask {
  readonly transport: BenchTransport;
  readonly config: Readonly<Record<string, unknown>>;
  readonly databaseUrl: string;
  readonly messages: number;
  readonly instances: number;
  readonly prefetch: number;
  readonly settings: Record<string, unknown>;
  /** Whether the bare writer keeps its statement prepared. It does unless told. */
  readonly isPrepared?: boolean;
  /** The process ids of the servers. */
  readonly servers: ServersCpu;
}

/** A figure of each server: CPU time in microseconds from the first message on, or its process id. */
export interface ServersCpu {
  readonly broker: number;
  readonly postgres: number;
}

export interface DrainResult extends ServersCpu {
  readonly messages: number;
  readonly seconds: number;
  /** CPU time of the process with all its threads, in microseconds. */
  readonly cpuMicroseconds: number;
  readonly peakBytes: number;
}

export interface DrainRound {
  /** Receives and acknowledges. */
  readonly bare: DrainResult;
  /** Writes rows that were packed before. */
  readonly writer: DrainResult;
  readonly conductor: DrainResult;
}

/** The conductor's default, so that both have the same bound. */
const prefetch = 4000;

/**
 * Once a round: fills the queue and drains it with a bare consumer, writes the same rows with a bare writer, fills the queue again and drains
 * it with the conductor. Each is a process of its own beside the same servers. Postgres commits to disk.
 */
export async function drain(options: DrainOptions, tell: (line: string) => void): Promise<DrainRound[]> {
  const { transport, messages, instances, rounds, settings } = options;
  const postgres = await startPostgres({ settings: { fsync: 'on' } });
  const broker = await startBroker[transport]();
  try {
    const databaseUrl = postgres.url();
    await prepareDatabase(databaseUrl, instances);
    const servers = { broker: broker.pid, postgres: postgres.pid };
    const { config } = broker;
    const task = { transport, config, databaseUrl, messages, instances, prefetch, settings, servers };
    // Each row is updated once. The first update after an insert costs Postgres more than the later ones.
    await measure('drain-writer.ts', { ...task, messages: instances });
    const results: DrainRound[] = [];
    for (let round = 1; round <= rounds; round += 1) {
      tell(`round ${round} of ${rounds}: bare consumer`);
      await broker.fill(messages, instances);
      const bare = await measure('drain-bare.ts', task, options.profile);
      tell(`round ${round} of ${rounds}: bare writer`);
      const writer = await measure('drain-writer.ts', task, options.profile);
      tell(`round ${round} of ${rounds}: conductor`);
      await broker.fill(messages, instances);
      const conductor = options.scrape
        ? await whileScraped((admin) =>
            measure('drain-conductor.ts', withAdmin(task, admin), options.profile),
          )
        : await measure('drain-conductor.ts', task, options.profile);
      results.push({ bare, writer, conductor });
    }
    return results;
  } finally {
    await broker.stop();
    await postgres.stop();
  }
}

function withAdmin(task: DrainTask, admin: { readonly port: number }): DrainTask {
  return { ...task, settings: { ...task.settings, admin } };
}

/** Scrapes the port each second, as Prometheus would. Scrapes before the start and after the end of the replica fail. */
async function whileScraped<Result>(work: (admin: { port: number }) => Promise<Result>): Promise<Result> {
  const port = await freePort();
  const scrape = async () => {
    const response = await fetch(`http://127.0.0.1:${port}/metrics`).catch(() => undefined);
    await response?.text().catch(() => {});
  };
  const timer = setInterval(() => void scrape(), 1000);
  try {
    return await work({ port });
  } finally {
    clearInterval(timer);
  }
}

/** Makes the tables and the fleet. */
export async function prepareDatabase(url: string, instances: number): Promise<void> {
  await migrate({ url, dryRun: false, rollback: false, removeDuplicates: false, log: () => {} });
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  const ids = Array.from({ length: instances }, (_, index) => instanceId(index + 1));
  await client.query(
    "INSERT INTO instances (id, name, created, deleted) SELECT id, id, now() AT TIME ZONE 'utc', false FROM unnest($1::text[]) AS id",
    [ids],
  );
  await client.query(
    `INSERT INTO service_statuses (id, instance_id, status_id, status_description, updated_at)
     SELECT gen_random_uuid(), id, 23, 'new', now() AT TIME ZONE 'utc' FROM unnest($1::text[]) AS id`,
    [ids],
  );
  // Autovacuum has done this on any database that has been in use for a minute.
  await client.query('ANALYZE');
  await client.end();
}

/** Runs one of the measured processes. Rejects if it fails. */
export async function measure(file: string, task: DrainTask, profile?: string): Promise<DrainResult> {
  const path = fileURLToPath(new URL(file, import.meta.url));
  const profiling = profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${profile}`];
  const child = startProcess(process.execPath, [...nodeOptions, ...profiling, path, JSON.stringify(task)]);
  const { code } = await child.exited;
  if (code !== 0) throw new Error(`${file} ended with ${code}:\n${child.output()}`);
  return JSON.parse(child.stdout().trim().split('\n').at(-1) ?? '');
}

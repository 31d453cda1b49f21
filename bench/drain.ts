import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { migrate } from '../src/database/migrate.ts';
import { startPostgres } from '../test/support/postgres.ts';
import { startProcess } from '../test/support/processes.ts';
import { type BenchTransport, startBroker } from './brokers.ts';
import { instanceId } from './messages.ts';

export interface DrainOptions {
  readonly transport: BenchTransport;
  readonly messages: number;
  readonly instances: number;
  readonly rounds: number;
  /** Further settings of the conductor, such as `workers`. */
  readonly settings: Record<string, unknown>;
}

/** What a measured process is told, as JSON in its first argument. */
export interface DrainTask {
  readonly config: Readonly<Record<string, unknown>>;
  readonly databaseUrl: string;
  readonly messages: number;
  readonly prefetch: number;
  readonly settings: Record<string, unknown>;
}

export interface DrainResult {
  readonly messages: number;
  readonly seconds: number;
  /** Of the process, all its threads included. */
  readonly cpuMicroseconds: number;
  readonly peakBytes: number;
}

export interface DrainRound {
  readonly bare: DrainResult;
  readonly conductor: DrainResult;
}

/** The conductor's default, so that both are bounded alike. */
const prefetch = 4000;

/**
 * Fills the queue and has it drained, first by a bare consumer, then by the conductor; so often as there are rounds. Both run as
 * processes of their own beside the same broker; Postgres commits to disk.
 */
export async function drain(options: DrainOptions, tell: (line: string) => void): Promise<DrainRound[]> {
  const { transport, messages, instances, rounds, settings } = options;
  const postgres = await startPostgres({ settings: { fsync: 'on' } });
  const broker = await startBroker[transport]();
  try {
    const databaseUrl = postgres.url();
    await prepareDatabase(databaseUrl, instances);
    const task = { config: broker.config, databaseUrl, messages, prefetch, settings };
    const results: DrainRound[] = [];
    for (let round = 1; round <= rounds; round += 1) {
      tell(`round ${round} of ${rounds}: bare consumer`);
      await broker.fill(messages, instances);
      tell('FILLED');
      const bare = await measure('drain-bare.ts', task);
      tell(`round ${round} of ${rounds}: conductor`);
      await broker.fill(messages, instances);
      tell('FILLED');
      const conductor = await measure('drain-conductor.ts', task);
      results.push({ bare, conductor });
    }
    return results;
  } finally {
    await broker.stop();
    await postgres.stop();
  }
}

async function prepareDatabase(url: string, instances: number): Promise<void> {
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
  await client.end();
}

async function measure(file: string, task: DrainTask): Promise<DrainResult> {
  const path = fileURLToPath(new URL(file, import.meta.url));
  const child = startProcess(process.execPath, [
    ...(process.env.BENCH_PROF ? ['--cpu-prof', '--cpu-prof-dir=/tmp/prof'] : []),
    path,
    JSON.stringify(task),
  ]);
  const { code } = await child.exited;
  if (code !== 0) throw new Error(`${file} ended with ${code}:\n${child.output()}`);
  console.error(child.stderr());
  console.error('DRAINED');
  const result: DrainResult = JSON.parse(child.stdout().trim().split('\n').at(-1) ?? '');
  return result;
}

import { pino } from 'pino';
import { jobsConnections } from '../../src/conductor/jobs.ts';
import type { Job, JobResult } from '../../src/jobs/contract.ts';
import { Jobs } from '../../src/jobs/jobs.ts';
import type { LogLine } from '../support/conductor.ts';
import type { TestDatabase } from '../support/database.ts';
import { workerSettings } from '../support/worker.ts';

/** The part of ava's `t` that is used here. */
interface Test {
  teardown(end: () => Promise<void>): void;
}

/** The jobs of a replica, with the lines that they log. */
export interface StartedJobs {
  readonly jobs: Jobs;
  lines(message?: string): LogLine[];
}

/** Starts jobs as a replica does. They stop when the test ends. */
export function startJobs(
  t: Test,
  database: TestDatabase,
  list: ReadonlyArray<Job>,
  { replica = 'one', lockTimeout = 200 }: { replica?: string; lockTimeout?: number } = {},
): StartedJobs {
  const written: LogLine[] = [];
  const logger = pino({ base: null }, { write: (line: string) => void written.push(JSON.parse(line)) });
  const settings = workerSettings(database.url, {
    database: { applicationName: `conductor ${replica}`, lockTimeout, statementTimeout: 2000 },
  });
  const connections = jobsConnections(settings, logger);
  const jobs = new Jobs({
    jobs: list,
    connections,
    schema: 'conductor_jobs',
    backoff: { base: 50, max: 500 },
    logger,
  });
  jobs.start();
  t.teardown(async () => {
    await jobs.stop();
    await connections.close();
  });
  return { jobs, lines: (message) => written.filter(({ msg }) => message === undefined || msg === message) };
}

/** A job that counts its rounds. */
export function counting(
  name: string,
  every: number,
  work: () => Promise<JobResult> = () => Promise.resolve({}),
): Job & { readonly rounds: () => number } {
  let rounds = 0;
  return {
    name,
    every,
    rounds: () => rounds,
    run() {
      rounds += 1;
      return work();
    },
  };
}

export const waits = 'the jobs wait: deferred messages are not retried, and no table is trimmed';
export const runAgain = 'the jobs run again';

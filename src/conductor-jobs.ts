import type pg from 'pg';
import type { Config } from './core/config/load.ts';
import type { Logger } from './core/logger.ts';
import type { JobsDatabase } from './jobs/contract.ts';
import { Jobs } from './jobs/jobs.ts';
import { retryDeferredJob } from './jobs/retry-deferred.ts';
import { trimCallResultsJob, trimDeadLettersJob } from './jobs/trim.ts';
import type { RetryResult } from './workers/deferred.ts';
import { DatabasePool } from './workers/postgres/pool.ts';
import { inTransaction } from './workers/postgres/transaction.ts';
import type { WorkerSettings } from './workers/settings.ts';

/** Connections of the jobs: one for a round, and one for its signs of life. */
const connections = 2;

export interface ReplicaJobs {
  /** One round of retries, in a worker. Never rejects. */
  readonly retry: (transport: string) => Promise<RetryResult>;
}

/** The jobs of a replica. */
export function createJobs(
  config: Config,
  settings: WorkerSettings,
  { retry }: ReplicaJobs,
  logger: Logger,
): Jobs {
  const database = jobsDatabase(settings, logger);
  const { deadLetters, calls, deferred } = config;
  return new Jobs({
    jobs: [
      ...config.transports.map(({ name: transport }) =>
        retryDeferredJob({
          transport,
          interval: deferred.interval,
          retry: () => retry(transport),
          logger: logger.child({ transport }),
        }),
      ),
      trimDeadLettersJob({ database, ...deadLetters, logger }),
      trimCallResultsJob({ database, retention: calls.resultRetention, maxRows: calls.maxResults }),
    ],
    database,
    schema: config.jobs.schema,
    backoff: config.reconnect,
    logger,
  });
}

/** A pool of the jobs' own, so that the messages never wait for a job, and a job never for them. */
export function jobsDatabase(settings: WorkerSettings, logger: Logger): JobsDatabase {
  const { database } = settings;
  const { preparedStatements } = database;
  const pool = new DatabasePool(
    {
      ...settings,
      database: { ...database, applicationName: `${database.applicationName} jobs` },
      concurrency: connections,
      calls: { ...settings.calls, concurrency: 0 },
    },
    (line) => logger.warn(line),
  );
  return {
    transaction: (work) => inTransaction(pool, { preparedStatements }, work),
    async script(text) {
      const client = await pool.take();
      let broken: unknown = new Error('cut off');
      // The query that is under way reports the error too.
      const onError = () => {};
      client.on('error', onError);
      try {
        const results: pg.QueryResult | pg.QueryResult[] = await client.query(text);
        broken = undefined;
        return [results].flat().flatMap(({ rows }): unknown[] => rows);
      } finally {
        client.off('error', onError);
        // After an error the text's transaction may be open.
        client.release(broken !== undefined);
      }
    },
    close: () => pool.end(),
  };
}

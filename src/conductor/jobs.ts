import type pg from 'pg';
import type { Config } from '../core/config/load.ts';
import type { JobFigures } from '../core/job-figures.ts';
import type { Logger } from '../core/logger.ts';
import type { DeadNotice } from '../core/message/outcome.ts';
import { Semaphore } from '../core/semaphore.ts';
import type { Job, JobsConnections } from '../jobs/contract.ts';
import { Jobs } from '../jobs/jobs.ts';
import { boundOutboxJob, publishOutboxJob } from '../jobs/outbox.ts';
import { redriveJob } from '../jobs/redrive.ts';
import { retryDeferredJob } from '../jobs/retry-deferred.ts';
import { sweepJob } from '../jobs/sweep.ts';
import type { Witness } from '../jobs/sweep-policy.ts';
import { trimCallResultsJob, trimDeadLettersJob, trimTransitionsJob } from '../jobs/trim.ts';
import type { RetryResult } from '../workers/deferred.ts';
import { DatabasePool } from '../workers/postgres/pool.ts';
import { inTransaction } from '../workers/postgres/transaction.ts';
import type { RedriveRound } from '../workers/redrive-round.ts';
import { namesIn, type WorkerSettings } from '../workers/settings.ts';

export interface ReplicaJobs {
  /** One round of retries, in a worker. Never rejects. */
  readonly retry: (transport: string) => Promise<RetryResult>;
  /** Publishes due notifications. Resolves with the reason why notifications wait, if any do. Never rejects. */
  readonly publishDue: (transport: string, signal: AbortSignal) => Promise<string | undefined>;
  /** Takes each new dead letter, for the log and the counters. */
  readonly onDead: (notice: DeadNotice) => void;
  /** One round of redrives, in a worker. Never rejects. */
  readonly redrive: (transport: string) => Promise<RedriveRound>;
  /** The jobs that take over the sessions of peers that are gone. */
  readonly adoptions: ReadonlyArray<Job>;
  /** The replica's knowledge of itself, for the sweep. */
  readonly witness: () => Witness;
  readonly figures: JobFigures;
}

/** The jobs of a replica. */
export function createJobs(
  config: Config,
  connections: JobsConnections,
  { retry, redrive, publishDue, onDead, adoptions, witness, figures }: ReplicaJobs,
  logger: Logger,
): Jobs {
  const database = connections.rounds;
  const { deadLetters, calls, deferred, transitions, outbox, sweep } = config;
  const { mode } = sweep;
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
      ...config.transports.map(({ name: transport }) =>
        publishOutboxJob({
          transport,
          publishesTransitions: transitions.publish === transport,
          publishDue: (signal) => publishDue(transport, signal),
        }),
      ),
      ...config.transports.map(({ name: transport }) =>
        redriveJob({
          transport,
          redrive: () => redrive(transport),
          logger: logger.child({ transport }),
        }),
      ),
      ...adoptions,
      boundOutboxJob({ database, ...outbox, redact: namesIn(deadLetters.redact), onDead }),
      trimDeadLettersJob({ database, ...deadLetters, logger }),
      trimCallResultsJob({ database, retention: calls.resultRetention, maxRows: calls.maxResults }),
      trimTransitionsJob({ database, retention: transitions.maxAge, maxRows: transitions.maxRows }),
      ...(mode === 'off'
        ? []
        : [
            sweepJob({
              ...sweep,
              isDryRun: mode === 'dry-run',
              goneAfter: goneAfter(config),
              database,
              witness,
              figures,
              logger,
            }),
          ]),
    ],
    connections,
    schema: config.jobs.schema,
    backoff: config.reconnect,
    logger,
  });
}

/**
 * Milliseconds without a sign of life after which a replica holds no message any more: a peer has had the time to adopt its session, and the
 * replica itself to give its messages back.
 */
function goneAfter({ adopt, park }: Config): number {
  return Math.min(longestGone, Math.max(adopt.after || ordinaryGone, park.after || ordinaryGone) + 60_000);
}

const ordinaryGone = 300_000;
/** A replica that was lost must not keep the sweep from its work for days. */
const longestGone = 900_000;

/**
 * A statement of a job runs every few seconds, so preparing it saves nothing. A pooler that forgets prepared statements would make a
 * round fail, and the log would name the pooler a second time.
 */
const unprepared = { preparedStatements: false };

/**
 * Connections of the jobs' own, so that the messages never wait for a job, and a job never for them. One is for pg-boss and one for
 * the rounds, so that a slow round cannot keep pg-boss from its signs of life.
 */
export function jobsConnections(settings: WorkerSettings, logger: Logger): JobsConnections {
  const [bossPool, roundsPool] = [poolOf(settings, logger), poolOf(settings, logger)];
  const turn = new Semaphore(1);
  return {
    rounds: {
      async transaction(work) {
        await turn.take();
        try {
          return await inTransaction(roundsPool, unprepared, work);
        } finally {
          turn.give();
        }
      },
    },
    boss: {
      transaction: (work) => inTransaction(bossPool, unprepared, work),
      script: (text) => script(bossPool, text),
    },
    renew(address) {
      for (const pool of [bossPool, roundsPool]) pool.renew(address);
    },
    async close() {
      await Promise.all([bossPool.end(), roundsPool.end()]);
    },
  };
}

function poolOf(settings: WorkerSettings, logger: Logger): DatabasePool {
  const { database, calls } = settings;
  return new DatabasePool(
    {
      ...settings,
      database: { ...database, applicationName: `${database.applicationName} jobs` },
      concurrency: 1,
      calls: { ...calls, concurrency: 0 },
    },
    (line) => logger.warn({ code: 'database-pooler' }, line),
  );
}

async function script(pool: DatabasePool, text: string): Promise<unknown[]> {
  const client = await pool.take();
  let isBroken = true;
  // The query that is under way reports the error too.
  const onError = () => {};
  client.on('error', onError);
  try {
    const results: pg.QueryResult | pg.QueryResult[] = await client.query(text);
    isBroken = false;
    return [results].flat().flatMap(({ rows }): unknown[] => rows);
  } finally {
    client.off('error', onError);
    // After an error the text's transaction may be open.
    client.release(isBroken);
  }
}

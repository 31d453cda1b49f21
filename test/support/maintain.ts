import { pino } from 'pino';
import { messageOf } from '../../src/core/errors.ts';
import type { JobsDatabase } from '../../src/jobs/contract.ts';
import { trimCallResultsJob, trimDeadLettersJob } from '../../src/jobs/trim.ts';
import type { ThreadState } from '../../src/workers/batch/thread-state.ts';
import { inTransaction } from '../../src/workers/postgres/transaction.ts';
import { dueLetters, redriveLetters } from '../../src/workers/redrive.ts';
import type { RedriveResult } from '../../src/workers/redriven.ts';
import { retryDeferred } from '../../src/workers/retry.ts';
import type { TestDatabase } from './database.ts';

/** The sums of one round of each job. */
export interface Maintained {
  readonly retried: number;
  readonly resolved: number;
  readonly failedBecause?: string;
}

/** Milliseconds. */
const maxAge = 86_400_000;

/** Does one round of each job that retries and trims, without pg-boss and without threads. */
export async function maintain(context: ThreadState): Promise<Maintained> {
  const { settings } = context;
  const sums = { retried: 0, resolved: 0 };
  let failedBecause: string | undefined;
  for (const transport of Object.keys(settings.transports)) {
    try {
      const round = await retryDeferred(context, transport);
      sums.retried += round.retried;
      sums.resolved += round.resolved;
      failedBecause ??= round.failedBecause;
    } catch (error) {
      failedBecause ??= messageOf(error);
    }
  }
  const database = jobsDatabaseOf(context);
  const { maxRows } = settings.deadLetters;
  const { resultRetention: retention, maxResults } = settings.calls;
  const logger = pino({ level: 'silent' });
  const { signal } = new AbortController();
  await trimDeadLettersJob({ database, maxRows, maxAge, logger }).run(signal);
  await trimCallResultsJob({ database, retention, maxRows: maxResults }).run(signal);
  return { ...sums, ...(failedBecause !== undefined && { failedBecause }) };
}

/** Asks for the redrive of all letters, and does it. */
export async function redrive(
  context: ThreadState,
  database: TestDatabase,
  transport = 'plain',
): Promise<RedriveResult> {
  await database.query("UPDATE dead_letters SET redrive_at = now(), redrive_by = 'me', redriven_at = NULL");
  const { ids } = await dueLetters(context, transport);
  return redriveLetters(context, { transport, ids });
}

/** The connections of a thread, for jobs. */
export function jobsDatabaseOf({ pool, settings }: ThreadState): JobsDatabase {
  const { preparedStatements } = settings.database;
  return {
    transaction: (work) => inTransaction(pool, { preparedStatements }, work),
  };
}

import type { Logger } from '../core/logger.ts';
import { LineBudget } from '../core/quiet-log.ts';
import type { Job, JobDb, JobsDatabase } from './contract.ts';
import { trimAgedDeadLetters, trimStep, trimSurplusDeadLetters } from './sql/trim-dead-letters.ts';
import { oldestPortion, trimOldest } from './sql/trim-oldest.ts';

/** Statements of one kind in one round, at most. Then other replicas may go on. */
const maxSteps = 25;

/** Lines about deleted dead letters: some at once, then one in ten seconds, with the sum since the last one. */
const lines = { atOnce: 3, interval: 10_000 };

/** Milliseconds between two rounds. */
const every = { deadLetters: 5000, callResults: 10_000, statusTransitions: 10_000 };

export interface TrimDeadLettersOptions {
  readonly database: JobsDatabase;
  readonly maxRows: number;
  /** Milliseconds. */
  readonly maxAge: number;
  readonly logger: Logger;
}

/** Bounds the table of dead letters by their count and their age. */
export function trimDeadLettersJob({ database, maxRows, maxAge, logger }: TrimDeadLettersOptions): Job {
  const reports = [
    { of: 'surplus', text: 'deleted the oldest dead letters: there are too many (deadLetters.maxRows)' },
    { of: 'aged', text: 'deleted old dead letters (deadLetters.maxAge)' },
  ] as const;
  const budgets = {
    surplus: new LineBudget(lines.atOnce, lines.interval),
    aged: new LineBudget(lines.atOnce, lines.interval),
  };
  const sums = { surplus: 0, aged: 0 };
  return {
    name: 'trim-dead-letters',
    every: every.deadLetters,
    async run(signal) {
      const surplus = await inSteps(database, trimStep, signal, (db) => trimSurplusDeadLetters(db, maxRows));
      const aged = await inSteps(database, trimStep, signal, (db) => trimAgedDeadLetters(db, maxAge));
      sums.surplus += surplus.deleted;
      sums.aged += aged.deleted;
      for (const { of, text } of reports) {
        if (sums[of] === 0 || budgets[of].take() === undefined) continue;
        logger[of === 'surplus' ? 'warn' : 'info']({ code: 'dead-letters-trimmed', trimmed: sums[of] }, text);
        sums[of] = 0;
      }
      return { isUnfinished: surplus.isUnfinished || aged.isUnfinished };
    },
  };
}

export interface TrimOldestOptions {
  readonly database: JobsDatabase;
  /** Milliseconds. */
  readonly retention: number;
  readonly maxRows: number;
}

/** Bounds the table of the answers to mutating calls by their count and their age. */
export function trimCallResultsJob(options: TrimOldestOptions): Job {
  return trimOldestJob('trim-call-results', 'call_results', every.callResults, options);
}

/** Bounds the history of statuses by its count and its age. */
export function trimTransitionsJob(options: TrimOldestOptions): Job {
  return trimOldestJob('trim-transitions', 'status_transitions', every.statusTransitions, options);
}

function trimOldestJob(
  name: string,
  table: Parameters<typeof trimOldest>[1],
  interval: number,
  { database, retention, maxRows }: TrimOldestOptions,
): Job {
  return {
    name,
    every: interval,
    async run(signal) {
      const { isUnfinished } = await inSteps(database, oldestPortion, signal, (db) =>
        trimOldest(db, table, retention, maxRows),
      );
      return { isUnfinished };
    },
  };
}

/** Repeats a statement, each time in a transaction of its own, while it deletes as many rows as it may. */
async function inSteps(
  database: JobsDatabase,
  step: number,
  signal: AbortSignal,
  statement: (db: JobDb) => Promise<number>,
): Promise<{ deleted: number; isUnfinished: boolean }> {
  let deleted = 0;
  for (let steps = 0; steps < maxSteps && !signal.aborted; steps += 1) {
    const count = await database.transaction(statement);
    deleted += count;
    if (count < step) return { deleted, isUnfinished: false };
  }
  return { deleted, isUnfinished: true };
}

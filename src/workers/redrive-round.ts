import { messageOf } from '../core/errors.ts';
import type { Logger } from '../core/logger.ts';
import type { DueLetters } from './batch/leftovers/sql/due-letters.ts';
import { type RedriveResult, type RedriveTask, sumOf } from './redriven.ts';

/** The workers as a round of redrives needs them. */
export interface RedriveWorkers {
  /** Reads the letters that are due. Rejects if the database cannot be reached. */
  due(transport: string): Promise<DueLetters>;
  /** Redrives letters. Rejects if the worker dies. */
  redrive(task: RedriveTask): Promise<RedriveResult>;
  /** Redrives letters in the quarantine. Rejects if the worker dies. */
  redriveAlone(task: RedriveTask): Promise<RedriveResult>;
  /** Marks letters as dead, without reading them. Rejects if the database cannot be reached. */
  giveUp(task: RedriveTask): Promise<RedriveResult>;
  /** Whether the workers are being ended. Then a worker that dies says nothing about its letters. */
  isClosing(): boolean;
  readonly logger: Logger;
}

export interface RedriveRound extends RedriveResult {
  /** Whether as many letters were due as a round takes, or more. */
  readonly isUnfinished: boolean;
  /** Milliseconds until the next letter is due; null if none is known to wait. */
  readonly nextIn: number | null;
}

/**
 * Redrives the letters of a transport that are due. If a worker dies, each of its letters runs again alone. A letter that ends that
 * worker too is dead again, with reason `crash`. Never rejects.
 */
export async function redriveRound(transport: string, workers: RedriveWorkers): Promise<RedriveRound> {
  try {
    const { ids, isFull, nextIn } = await workers.due(transport);
    const result = ids.length === 0 ? sumOf([]) : await redriveEach({ transport, ids }, workers);
    return { ...result, isUnfinished: isFull && result.failedBecause === undefined, nextIn };
  } catch (error) {
    return { ...sumOf([]), isUnfinished: false, nextIn: null, failedBecause: messageOf(error) };
  }
}

async function redriveEach(task: RedriveTask, workers: RedriveWorkers): Promise<RedriveResult> {
  const { logger } = workers;
  try {
    return await workers.redrive(task);
  } catch (error) {
    if (workers.isClosing()) throw error;
    logger.error(
      { code: 'worker-died', error: messageOf(error), letters: task.ids.length },
      'a worker died; the dead letters that it redrove run again, one by one',
    );
  }
  const results: RedriveResult[] = [];
  for (const id of task.ids) {
    const one = { ...task, ids: [id] };
    try {
      results.push(await workers.redriveAlone(one));
    } catch (error) {
      if (workers.isClosing()) throw error;
      logger.error(
        { code: 'worker-died', error: messageOf(error), id },
        'a dead letter ended two workers; it is dead again',
      );
      results.push(await workers.giveUp(one));
    }
    // The database is gone. The other letters would only wait for it one by one.
    if (results.at(-1)?.failedBecause !== undefined) break;
  }
  return sumOf(results);
}

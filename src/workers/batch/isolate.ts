import { messageOf } from '../../core/errors.ts';
import { dead, deferred, type Outcome } from '../../core/message/outcome.ts';
import type { Db } from '../postgres/transaction.ts';
import { attempt, type Failure } from './attempt.ts';
import { explain } from './blame.ts';
import { halvesOf } from './halves.ts';
import { MethodHeld } from './hold-cause.ts';
import { type BatchItem, isTask } from './item.ts';
import { record, recordMinimal } from './leftovers/record.ts';
import { countOtherDeferred } from './leftovers/sql/count-other-deferred.ts';
import type { Run } from './run.ts';
import { TransactionFailed, transact } from './transact.ts';

/**
 * Takes apart items that fail together, until each has been committed or has failed alone.
 *
 * Contrast proves that a message is at fault: it fails alone, others of its method are applied after that, and it fails again. If all
 * tried messages fail and none is applied, nobody is blamed: the schema has changed, or a privilege is missing. Then the messages of
 * that method are put aside, and other methods go on. The same holds for a message that fails alone and has no other message to compare
 * it with.
 */

/** If so many messages of a method fail alone and none is applied, the others are not tried any more. */
const witnesses = 8;

/** The findings about one method's messages. */
interface Trial {
  /** Messages that have failed alone. */
  readonly suspects: Failure[];
  /** Messages that were not tried alone, since all tried ones have failed. */
  readonly untried: BatchItem[];
  /** Whether some messages have been committed. */
  hasCommitted: boolean;
  /** The last failure. */
  failure: Failure;
}

/**
 * Commits as many as possible of the items that have failed together. Throws errors for which no message can be at fault. Then items
 * without an outcome are to be held.
 *
 * @returns why all messages of a method have been put aside, if they have been.
 */
export async function takeApart(run: Run, failure: Failure): Promise<string | undefined> {
  const problems: string[] = [];
  let held: MethodHeld | undefined;
  const byMethod = Map.groupBy(failure.items, ({ task }) => (isTask(task) ? task.methodName : undefined));
  for (const [method, items] of byMethod) {
    // If there is only one method, its items have been tried together already.
    const own = byMethod.size === 1 ? failure : await tryPart(run, items);
    if (own === undefined) continue;
    const trial: Trial = { suspects: [], untried: [], hasCommitted: false, failure: own };
    await bisect(run, method, own, trial);
    try {
      const problem = await judge(run, method, trial);
      if (problem !== undefined) problems.push(problem);
    } catch (error) {
      if (!(error instanceof MethodHeld)) throw error;
      held = error;
    }
  }
  if (held !== undefined) throw held;
  return problems.length === 0 ? undefined : problems.join('; ');
}

/** Tries a part of a batch. The slot stays busy, so a part waits for a lock only a tenth as long as a batch. */
function tryPart(run: Run, items: ReadonlyArray<BatchItem>): Promise<Failure | undefined> {
  return attempt(run, items, { lockTimeout: run.settings.database.lockTimeout / 10, looksForLocks: false });
}

/** Halves the failed items, until each item has been committed or is in the trial. */
async function bisect(run: Run, method: string | undefined, failure: Failure, trial: Trial): Promise<void> {
  trial.failure = failure;
  if (failure.items.length === 1) {
    trial.suspects.push(failure);
    return;
  }
  for (const half of halvesOf(failure.items)) {
    if (trial.suspects.length >= witnesses && !hasContrast(run, method, trial)) {
      trial.untried.push(...half);
      continue;
    }
    const next = await tryPart(run, half);
    if (next === undefined) trial.hasCommitted = true;
    else await bisect(run, method, next, trial);
  }
}

/** Whether the method has been seen to work. Only an applied message shows it, since a stale one may not have reached the row. */
function hasContrast(
  { appliedAt, startedAt }: Run,
  method: string | undefined,
  { hasCommitted }: Trial,
): boolean {
  if (method === undefined) return hasCommitted;
  return (appliedAt.get(method) ?? Number.NEGATIVE_INFINITY) > startedAt;
}

/** Gives each item that has not been committed its outcome. */
async function judge(run: Run, method: string | undefined, trial: Trial): Promise<string | undefined> {
  const open: BatchItem[] = [...trial.untried];
  // Items without a task, dead ones or sealed ones, could not be recorded.
  if (method === undefined && open.length > 0) throw trial.failure.error;
  for (const suspect of trial.suspects) {
    const [item] = suspect.items;
    if (item === undefined) continue;
    const outcome = await verdictOn(run, method, item, suspect);
    if (outcome === 'unproven') open.push(item);
    else if (outcome !== 'applied') await keep(run, item, outcome);
  }
  if (open.length === 0 || method === undefined) return undefined;
  const { error, cause } = trial.failure;
  // For example a locked table. It will soon be free, and to put all messages aside would take longer.
  if (cause === 'contention') throw new MethodHeld('locked', explain(error), { cause: error });
  return putAside(run, method, open, error);
}

/** `applied`: the item has its outcome by now. */
async function verdictOn(
  run: Run,
  method: string | undefined,
  item: BatchItem,
  suspect: Failure,
): Promise<Outcome | 'unproven' | 'applied'> {
  // It is dead already. Only the record of it failed.
  if (!isTask(item.task) && item.task.kind === 'dead') return item.task;
  let failure = suspect;
  const appliedAt = run.appliedAt.get(method ?? '') ?? Number.NEGATIVE_INFINITY;
  const since = run.hooks.failingSince?.(item) ?? run.startedAt;
  // The schema may have been repaired after this item failed and before the others committed.
  if (appliedAt > since && appliedAt > failure.startedAt) {
    const again = await tryPart(run, [item]);
    if (again === undefined) return 'applied';
    failure = again;
  }
  const { cause, error } = failure;
  if (cause === 'contention') return deferred.contended;
  if (!run.hooks.needsContrast) return dead('refused', `it is refused: ${explain(error)}`);
  if (cause === 'value' || method === undefined || appliedAt > since) return refuse(run, method, item, error);
  return 'unproven';
}

/** Throws MethodHeld if the database refuses so many messages that the schema is more likely at fault. */
function refuse(run: Run, method: string | undefined, item: BatchItem, error: unknown): Outcome {
  const key = isTask(item.task) ? item.task.args.key : String(item.index);
  run.storm.refuses(`${method} ${key}`);
  if (run.storm.rages()) {
    throw new MethodHeld(
      'refusal-storm',
      `the database refuses more than deadLetters.stormShare of all messages; those are held. The last one: ${explain(error)}`,
      { cause: error },
    );
  }
  return dead('refused', `it is refused: ${explain(error)}`);
}

/** Defers messages for which nobody is blamed. Throws MethodHeld if there is no room for them. */
async function putAside(
  run: Run,
  method: string,
  items: ReadonlyArray<BatchItem>,
  error: unknown,
): Promise<string> {
  const { maxRows } = run.settings.deferred;
  const because = `${method}: all of its messages fail and none is blamed: ${explain(error)}`;
  const resolved = items.map((item) => ({ item, outcome: run.hooks.judge(item, deferred.unproven) }));
  const { lockTimeout } = run.settings.database;
  const isNew = items.some(({ hasRow }) => hasRow !== true);
  const keys = [...new Set(items.flatMap(({ task }) => (isTask(task) ? [task.args.key] : [])))];
  let hasRoom = true;
  try {
    await transact(run, lockTimeout, async (db) => {
      hasRoom = !isNew || (await countOtherDeferred(db, method, keys, maxRows)) + keys.length <= maxRows;
      if (!hasRoom) return [];
      await record(db, resolved, run);
      return resolved;
    });
  } catch (failed) {
    if (isInfrastructure(failed)) throw failed;
    // One of them cannot be recorded.
    for (const { item, outcome } of resolved) await keep(run, item, outcome);
  }
  if (!hasRoom)
    throw new MethodHeld('deferred-full', `${because}; no more can be put aside (deferred.maxRows)`, {
      cause: error,
    });
  return because;
}

/** Whether no message can be at fault: the server reports its own state, or the connection is no longer good for the statement. */
function isInfrastructure(error: unknown): boolean {
  return (
    !(error instanceof TransactionFailed) || error.blame === 'infrastructure' || error.blame === 'connection'
  );
}

function isContention(error: unknown): boolean {
  return error instanceof TransactionFailed && error.blame === 'contention';
}

/**
 * Records one message's outcome. If that is refused, the message is dead. If the dead letter is refused too, a minimal one is written.
 * Throws MethodHeld if another session holds what is to be written: the message is at fault for nothing.
 */
async function keep(run: Run, item: BatchItem, verdict: Outcome): Promise<void> {
  const { lockTimeout } = run.settings.database;
  const outcome = run.hooks.judge(item, verdict);
  const write = async (kept: Outcome, recorder: (db: Db) => Promise<void>) => {
    try {
      await transact(run, lockTimeout, async (db) => {
        await recorder(db);
        return [{ item, outcome: kept }];
      });
    } catch (error) {
      if (!isContention(error)) throw error;
      throw new MethodHeld('locked', messageOf(error), { cause: error });
    }
  };
  try {
    await write(outcome, (db) => record(db, [{ item, outcome }], run));
  } catch (error) {
    if (isInfrastructure(error)) throw error;
    const letter =
      outcome.kind === 'dead' ? outcome : dead('refused', `it cannot be kept: ${messageOf(error)}`);
    await write(letter, (db) => recordMinimal(db, item, letter, run));
  }
}

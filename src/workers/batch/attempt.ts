import { setTimeout as sleep } from 'node:timers/promises';
import { dead, deferred, type Outcome, stale } from '../../core/message/outcome.ts';
import { type CastMethod, type GuestArgs, takesBatches } from '../methods/contract.ts';
import type { Db } from '../postgres/transaction.ts';
import { type Cause, mayBeRace } from './blame.ts';
import { type BatchItem, isTask } from './item.ts';
import { deferredItem } from './leftovers/deferred-item.ts';
import { type Resolved, record } from './leftovers/record.ts';
import { takeDeferred } from './leftovers/sql/take-deferred.ts';
import type { Run } from './run.ts';
import { TransactionFailed, transact } from './transact.ts';

/** Works that could not be committed together, for a reason that may be one of theirs. */
export interface Failure {
  readonly cause: Exclude<Cause, 'infrastructure' | 'connection'>;
  readonly error: unknown;
  /** What has not been committed. */
  readonly items: ReadonlyArray<BatchItem>;
  /** When the transaction began, in milliseconds of the monotonic clock. */
  readonly startedAt: number;
}

export interface AttemptOptions {
  /** Milliseconds that each statement waits for a lock. */
  readonly lockTimeout: number;
  /** Whether what is not locked goes on without what is, once a lock was in the way. */
  readonly looksForLocks: boolean;
}

/**
 * How locked rows are met. `wait`: wait for them a little, since most are only busy, and Postgres's lock queues are fair. `look`: go on
 * without those that are locked, and look at them again and again, holding nothing meanwhile; put aside those that have been for long.
 */
type Phase = 'wait' | 'look';

/** Milliseconds between two looks at rows that are locked. */
const lookInterval = 50;

/** What one transaction has come to so far. */
interface Progress {
  /** Works whose rows are locked and worth waiting for. */
  readonly left: BatchItem[];
  /** Methods of which a message has been applied. */
  readonly applied: Set<string>;
}

/**
 * Commits the works in one transaction, and in further ones those whose rows are locked for a moment. Throws what no message can
 * be at fault for.
 *
 * @returns why works could not be committed, if some of them could not.
 */
export async function attempt(
  run: Run,
  items: ReadonlyArray<BatchItem>,
  { lockTimeout, looksForLocks }: AttemptOptions,
): Promise<Failure | undefined> {
  let pending = items;
  let phase: Phase = !run.hooks.waits || hasLockedKey(run, items) ? 'look' : 'wait';
  let stalePlans = 0;
  let races = 0;
  for (;;) {
    const startedAt = performance.now();
    const progress: Progress = { left: [], applied: new Set() };
    try {
      await transact(run, lockTimeout, (db) => applyWorks(run, db, pending, phase, progress));
    } catch (failed) {
      if (!(failed instanceof TransactionFailed)) throw failed;
      const { error, blame: cause } = failed;
      if (cause === 'infrastructure') throw error;
      if (cause === 'connection') {
        stalePlans += 1;
        // Each connection of the pool may have the same to forget.
        if (stalePlans <= run.pool.options.max + 1) continue;
        throw error;
      }
      if (cause === 'contention' && looksForLocks && phase === 'wait') {
        phase = 'look';
        continue;
      }
      if (mayBeRace(error) && races === 0) {
        races += 1;
        continue;
      }
      return { cause, error, items: pending, startedAt };
    }
    for (const name of progress.applied) run.appliedAt.set(name, performance.now());
    if (progress.left.length === 0) return undefined;
    pending = progress.left;
    phase = 'look';
    await sleep(lookInterval);
  }
}

function hasLockedKey({ lockedKeys }: Run, items: ReadonlyArray<BatchItem>): boolean {
  // Nearly always.
  if (lockedKeys.isEmpty) return false;
  return items.some(({ task }) => isTask(task) && lockedKeys.has(task.methodName, task.args.key));
}

/** Methods run in the order of the method table, each with one call for all of its messages. */
async function applyWorks(
  run: Run,
  db: Db,
  items: ReadonlyArray<BatchItem>,
  phase: Phase,
  progress: Progress,
): Promise<ReadonlyArray<Resolved>> {
  const { manager, settings, hooks } = run;
  const resolved: Resolved[] = [];
  const overtaken = await hooks.begin?.(db, items);
  for (const item of items) {
    if (!isTask(item.task)) resolved.push({ item, outcome: item.task });
    else if (overtaken?.has(item)) resolved.push({ item, outcome: stale });
  }
  for (const [name, method] of Object.entries(manager)) {
    if (!takesBatches(method)) continue;
    let own: BatchItem[] = [];
    let args: GuestArgs[] = [];
    let isUnguarded = false;
    for (const item of items) {
      if (!isTask(item.task) || item.task.methodName !== name || overtaken?.has(item)) continue;
      own.push(item);
      args.push(item.task.args);
      if (item.task.args.guard === undefined) isUnguarded = true;
    }
    if (own.length === 0) continue;
    if (phase === 'look' && method.findLocked !== undefined) {
      own = await withoutLocked(run, { name, method, own, args, db }, resolved, progress);
      args = own.map(argsOf);
      if (own.length === 0) continue;
    }
    if (isUnguarded && hooks.begin === undefined) {
      const earlier = await takeEarlier(run, db, name, own);
      for (const item of earlier) if (!isTask(item.task)) resolved.push({ item, outcome: item.task });
      own = [...earlier.filter(({ task }) => isTask(task)), ...own];
      args = own.map(argsOf);
    }
    const results = await method.apply(db, args, settings);
    // Counted by hand, here and on the rest of the way: entries() makes objects, 8 % of what a message leaves behind.
    let position = 0;
    for (const item of own) {
      const outcome = results[position] ?? leftOut(name);
      if (outcome.kind === 'applied') progress.applied.add(name);
      resolved.push({ item, outcome: hooks.judge(item, outcome) });
      position += 1;
    }
  }
  await record(db, resolved, run);
  return resolved;
}

/** The message may have been applied or not. Held, it would come again and be left out again. */
function leftOut(name: string): Outcome {
  return dead('refused', `method ${name} left out the outcome of this message`);
}

interface Part {
  readonly name: string;
  readonly method: CastMethod;
  readonly own: ReadonlyArray<BatchItem>;
  readonly args: ReadonlyArray<GuestArgs>;
  readonly db: Db;
}

/** Locks the rows that are free and puts aside the messages about those that are not. Returns the others. */
async function withoutLocked(
  { hooks, lockedKeys, settings }: Run,
  { name, method, own, args, db }: Part,
  resolved: Resolved[],
  { left }: Progress,
): Promise<BatchItem[]> {
  const locked = await method.findLocked?.(db, args);
  const free: BatchItem[] = [];
  for (const item of own) {
    const { key } = argsOf(item);
    const isLocked = locked?.has(key) === true;
    const age = isLocked || !lockedKeys.isEmpty ? lockedKeys.note(name, key, isLocked) : 0;
    if (!isLocked) free.push(item);
    else if (hooks.waits && age < settings.database.lockTimeout) left.push(item);
    else resolved.push({ item, outcome: hooks.judge(item, deferred.locked) });
  }
  return free;
}

/**
 * Takes what is deferred about the same keys: messages without a guard are applied in the order in which they came. From here on
 * nobody can retry them.
 */
async function takeEarlier(
  { manager }: Run,
  db: Db,
  name: string,
  own: ReadonlyArray<BatchItem>,
): Promise<BatchItem[]> {
  const keys = own.map(argsOf).flatMap(({ key, guard }) => (guard === undefined ? [key] : []));
  const messages = await takeDeferred(db, name, [...new Set(keys)]);
  return messages.map((message) => deferredItem(message, -1, manager));
}

function argsOf({ task }: BatchItem): GuestArgs {
  if (!isTask(task)) throw new TypeError('a message with an outcome has no arguments');
  return task.args;
}

import { setTimeout as sleep } from 'node:timers/promises';
import { dead, deferred, type Outcome, stale } from '../../core/message/outcome.ts';
import { type CastMethod, type GuestArgs, takesBatches } from '../methods/contract.ts';
import type { Db } from '../postgres/transaction.ts';
import { type Cause, mayBeRace } from './blame.ts';
import { type BatchItem, isTask } from './item.ts';
import { deferredItem } from './leftovers/deferred-item.ts';
import { type Resolved, record } from './leftovers/record.ts';
import { takeDeferred } from './leftovers/sql/take-deferred.ts';
import { traceChanges } from './outbox/transitions.ts';
import type { Run } from './run.ts';
import { TransactionFailed, transact } from './transact.ts';

/** Items that could not be committed together. Some of them may be at fault. */
export interface Failure {
  readonly cause: Exclude<Cause, 'infrastructure' | 'connection'>;
  readonly error: unknown;
  /** The items that have not been committed. */
  readonly items: ReadonlyArray<BatchItem>;
  /** When the transaction began, in milliseconds of the monotonic clock. */
  readonly startedAt: number;
}

export interface AttemptOptions {
  /** Milliseconds that each statement waits for a lock. */
  readonly lockTimeout: number;
  /** Whether to go on without the locked items after a lock was in the way. */
  readonly looksForLocks: boolean;
}

/**
 * How a transaction meets locked rows. `wait`: it waits a little, since most rows are only busy and Postgres's lock queues are fair.
 * `look`: it goes on without the locked rows and looks at them again and again, with no lock held meanwhile. Items whose rows stay
 * locked too long are deferred.
 */
type Phase = 'wait' | 'look';

/** Milliseconds between two looks at locked rows. */
const lookInterval = 50;

/** The progress of one transaction. */
interface Progress {
  /** Items whose rows are locked and worth waiting for. */
  readonly left: BatchItem[];
  /** Methods that have applied a message. */
  readonly applied: Set<string>;
}

/**
 * Commits the items in one transaction, and items with briefly locked rows in further ones. Throws errors for which no message can be
 * at fault.
 *
 * @returns why items could not be committed, if some could not.
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
      await transact(run, lockTimeout, (db) => applyItems(run, db, pending, phase, progress));
    } catch (failed) {
      if (!(failed instanceof TransactionFailed)) throw failed;
      const { error, blame: cause } = failed;
      if (cause === 'infrastructure') throw error;
      if (cause === 'connection') {
        stalePlans += 1;
        // Each connection of the pool may have the same stale state.
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

/** Runs the methods in the order of the method table. Each method gets all of its messages in one call. */
async function applyItems(
  run: Run,
  db: Db,
  items: ReadonlyArray<BatchItem>,
  phase: Phase,
  progress: Progress,
): Promise<ReadonlyArray<Resolved>> {
  const { manager, settings, hooks } = run;
  let resolved: Resolved[] = [];
  const overtaken = await hooks.begin?.(db, items);
  for (const item of items) {
    if (!isTask(item.task)) resolved.push({ item, outcome: item.task });
    else if (overtaken?.has(item)) resolved.push({ item, outcome: stale });
  }
  for (const [name, method] of Object.entries(manager)) {
    if (!takesBatches(method)) continue;
    let own = ownOf(name, items, overtaken);
    if (own.length > 0 && phase === 'look' && method.findLocked !== undefined)
      own = await withoutLocked(run, { name, method, own, db }, resolved, progress);
    if (own.length === 0) continue;
    if (hooks.begin === undefined && own.some(isUnguarded)) {
      const earlier = await takeEarlier(run, db, name, own);
      for (const item of earlier) if (!isTask(item.task)) resolved.push({ item, outcome: item.task });
      own = [...earlier.filter(({ task }) => isTask(task)), ...own];
    }
    const results = await method.apply(db, own.map(argsOf), settings);
    const outcomes = own.map((item, position) => ({
      item,
      outcome: hooks.judge(item, results[position] ?? leftOut(name)),
    }));
    // A deployer's method may leave out an outcome.
    if (results.some((outcome) => outcome?.kind === 'applied')) progress.applied.add(name);
    resolved = resolved.length === 0 ? outcomes : resolved.concat(outcomes);
  }
  await record(db, resolved, run);
  await traceChanges(db, resolved, run);
  return resolved;
}

/** A method's messages of a batch. Nearly always they are all of it, which needs no copy. */
function ownOf(
  name: string,
  items: ReadonlyArray<BatchItem>,
  overtaken: ReadonlySet<BatchItem> | undefined,
): ReadonlyArray<BatchItem> {
  const isOwn = (item: BatchItem) =>
    isTask(item.task) && item.task.methodName === name && overtaken?.has(item) !== true;
  return items.every(isOwn) ? items : items.filter(isOwn);
}

function isUnguarded({ task }: BatchItem): boolean {
  return isTask(task) && task.args.guard === undefined;
}

/** The message may have been applied or not. If it were held, it would come again and be left out again. */
function leftOut(name: string): Outcome {
  return dead('refused', `method ${name} left out the outcome of this message`);
}

interface Part {
  readonly name: string;
  readonly method: CastMethod;
  readonly own: ReadonlyArray<BatchItem>;
  readonly db: Db;
}

/** Locks the free rows, and defers the items whose rows are locked. Returns the free items. */
async function withoutLocked(
  { hooks, lockedKeys, settings }: Run,
  { name, method, own, db }: Part,
  resolved: Resolved[],
  { left }: Progress,
): Promise<BatchItem[]> {
  const locked = await method.findLocked?.(db, own.map(argsOf));
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
 * Takes the deferred messages about the same keys, since messages without a guard are applied in the order of their arrival. From here
 * on nobody else can retry them.
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

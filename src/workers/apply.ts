import type pg from 'pg';
import { messageOf } from '../core/errors.ts';
import {
  type BatchResult,
  type DeadNotice,
  dead,
  deferred,
  HELD,
  type Notification,
  type Outcome,
  outcomeKinds,
} from '../core/outcome.ts';
import { type Db, inTransaction } from './db.ts';
import { isTask, type Work } from './decode.ts';
import { type GuestArgs, type Manager, takesBatches } from './manager.ts';
import { byGuard } from './methods/fold.ts';
import { noticeOf } from './notice.ts';
import type { WorkerSettings } from './protocol.ts';
import { type Resolved, record, recordMinimal } from './record.ts';
import { consequenceOf, mayBeRace } from './sqlstate.ts';

export interface Context {
  readonly pool: pg.Pool;
  readonly manager: Manager;
  readonly settings: WorkerSettings;
}

/** What a caller does about outcomes inside their transaction. */
export interface Hooks {
  /** Has the last word on an outcome, before it is recorded. */
  readonly judge: (work: Work, outcome: Outcome) => Outcome;
  /** Runs at the end of each transaction. */
  readonly finish: (db: Db, resolved: ReadonlyArray<Resolved>) => Promise<void>;
}

/** Parts of one batch that may fail for a lock. More is not a locked row but a locked table: the rest is held, not deferred. */
const maxLocked = 128;

/** One batch on its way: what all of its transactions share. */
interface Run extends Context {
  readonly hooks: Hooks;
  /** Of what has been committed. */
  readonly outcomes: Map<Work, Outcome>;
  /** How many of its parts have failed for a lock. */
  locked: number;
}

const noHooks: Hooks = { judge: (_, outcome) => outcome, finish: () => Promise.resolve() };

/**
 * Applies a batch and commits. Never throws: what could not be committed is held.
 *
 * @param size how many codes are reported; those of places that are not in the batch are HELD.
 */
export async function applyBatch(
  context: Context,
  batch: ReadonlyArray<Work>,
  hooks: Hooks = noHooks,
  size = batch.length,
): Promise<BatchResult & { readonly outcomes: ReadonlyMap<Work, Outcome> }> {
  const outcomes = new Map<Work, Outcome>();
  let heldBecause: string | undefined;
  try {
    if (batch.length > 0) await commit({ ...context, hooks, outcomes, locked: 0 }, batch, 0);
  } catch (error) {
    heldBecause = messageOf(error);
  }
  const codes = new Uint8Array(size).fill(HELD);
  const notifications: [index: number, notification: Notification][] = [];
  const deadOnes: DeadNotice[] = [];
  for (const [work, outcome] of outcomes) {
    codes[work.index] = outcomeKinds.indexOf(outcome.kind);
    if (outcome.kind === 'dead') deadOnes.push(noticeOf(work, outcome));
    if (outcome.kind === 'applied' && outcome.notification !== undefined)
      notifications.push([work.index, outcome.notification]);
  }
  return {
    codes,
    dead: deadOnes,
    heldBecause,
    outcomes,
    notifications: notifications.length === 0 ? undefined : notifications,
  };
}

/**
 * Commits the works in one transaction or, where that fails because of one of them, in as many as it takes. Throws what is no
 * message's fault; what was committed until then has its outcome.
 */
async function commit(run: Run, works: ReadonlyArray<Work>, depth: number): Promise<void> {
  const { lockTimeout } = run.settings.database;
  // The whole batch waits twice for a locked row. Its parts are told soon enough: a slot is busy all the while.
  const tries = depth === 0 ? 2 : 1;
  const timeout = depth === 0 ? undefined : lockTimeout / 10;
  const [lone, ...others] = works;
  let verdict: Outcome | undefined;
  for (let failures = 0; verdict === undefined; ) {
    try {
      return await transact(run, timeout, (db) => applyWorks(run, db, works));
    } catch (error) {
      const consequence = consequenceOf(error);
      if (consequence === 'hold') throw error;
      failures += 1;
      if (mayBeRace(error) && failures === 1) continue;
      if (consequence === 'message')
        verdict = dead('refused', `the database refuses it: ${messageOf(error)}`);
      else if (failures === tries) verdict = deferred.locked;
      if (consequence === 'again' && depth > 0) run.locked += 1;
      if (run.locked > maxLocked) throw error;
    }
  }
  if (lone !== undefined && others.length === 0) {
    // What is dead already stays so. What was only to be kept, and cannot be, is dead like any other.
    const isOpen = isTask(lone.task) || lone.task.kind === 'deferred';
    const outcome = isOpen ? run.hooks.judge(lone, verdict) : lone.task;
    return recordLone(run, { work: lone, outcome });
  }
  for (const part of split(works)) await commit(run, part, depth + 1);
}

/** The outcome of a message is what `resolve` says only once the transaction has committed. */
async function transact(
  { pool, settings, hooks, outcomes }: Run,
  lockTimeout: number | undefined,
  resolve: (db: Db) => Promise<ReadonlyArray<Resolved>>,
): Promise<void> {
  const { preparedStatements } = settings.database;
  const resolved = await inTransaction(pool, { lockTimeout, preparedStatements }, async (db) => {
    const all = await resolve(db);
    await hooks.finish(db, all);
    return all;
  });
  for (const { work, outcome } of resolved) outcomes.set(work, outcome);
}

/** Methods run in the order of the method table, each with one call for all of its messages. */
async function applyWorks(
  { manager, settings, hooks }: Run,
  db: Db,
  works: ReadonlyArray<Work>,
): Promise<ReadonlyArray<Resolved>> {
  const resolved: Resolved[] = [];
  for (const work of works) if (!isTask(work.task)) resolved.push({ work, outcome: work.task });
  for (const [name, method] of Object.entries(manager)) {
    if (!takesBatches(method)) continue;
    const own: Work[] = [];
    const args: GuestArgs[] = [];
    for (const work of works) {
      if (!isTask(work.task) || work.task.methodName !== name) continue;
      own.push(work);
      args.push(work.task.args);
    }
    if (own.length === 0) continue;
    const results = await method.apply(db, args, settings);
    // Counted by hand, here and on the rest of the way: entries() makes objects, 8 % of what a message leaves behind.
    let position = 0;
    for (const work of own) {
      const outcome = results[position];
      if (outcome === undefined)
        throw new Error(`method ${name} left out the outcome of message ${position}`);
      resolved.push({ work, outcome: hooks.judge(work, outcome) });
      position += 1;
    }
  }
  await record(db, resolved, settings.deferred.firstDelay);
  return resolved;
}

/** Writes down a message that cannot be applied, for itself. If the database refuses even that, less of it. */
async function recordLone(run: Run, resolved: Resolved): Promise<void> {
  const { firstDelay } = run.settings.deferred;
  const write = (recorder: (db: Db) => Promise<void>) =>
    transact(run, undefined, async (db) => {
      await recorder(db);
      return [resolved];
    });
  try {
    await write((db) => record(db, [resolved], firstDelay));
  } catch (error) {
    if (consequenceOf(error) !== 'message') throw error;
    await write((db) => recordMinimal(db, resolved));
  }
}

/** Two halves. Messages about the same thing stay together until they are alone, then go in the order of their guard. */
function split(works: ReadonlyArray<Work>): [ReadonlyArray<Work>, ReadonlyArray<Work>] {
  const groups = [
    ...Map.groupBy(works, ({ task, index }) =>
      isTask(task) ? `${task.methodName} ${task.args.key}` : index,
    ).values(),
  ];
  const units = groups.length > 1 ? groups : works.toSorted(inOrder).map((work) => [work]);
  const middle = Math.ceil(units.length / 2);
  return [units.slice(0, middle).flat(), units.slice(middle).flat()];
}

function inOrder(a: Work, b: Work): number {
  return isTask(a.task) && isTask(b.task) ? byGuard(a.task.args, b.task.args) : 0;
}

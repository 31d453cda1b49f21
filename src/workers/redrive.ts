import { messageOf } from '../core/errors.ts';
import type { Outcome } from '../core/message/outcome.ts';
import { applyBatch } from './batch/apply.ts';
import { type BatchItem, isTask } from './batch/item.ts';
import { cleanText, instanceIdOf, kept } from './batch/leftovers/letter.ts';
import { letterItems } from './batch/leftovers/letter-items.ts';
import { redact } from './batch/leftovers/redact.ts';
import { dueLetters as readDue } from './batch/leftovers/sql/due-letters.ts';
import { lockLetters } from './batch/leftovers/sql/lock-letters.ts';
import { type LetterMark, markLetters } from './batch/leftovers/sql/mark-letters.ts';
import { postponeLetters } from './batch/leftovers/sql/postpone-letters.ts';
import { readLetters } from './batch/leftovers/sql/read-letters.ts';
import { returnLetters } from './batch/outbox/sql/return-letters.ts';
import type { Hooks } from './batch/run.ts';
import type { ThreadState } from './batch/thread-state.ts';
import { type Db, inTransaction } from './postgres/transaction.ts';
import type { RedriveResult, RedriveTask } from './redriven.ts';

/** The letters of a transport whose redrive is due. Rejects if the database cannot be reached. */
export function dueLetters(state: ThreadState, transport: string) {
  return transaction(state, (db) => readDue(db, transport));
}

/**
 * Redrives letters as a batch of their transport. Each is marked with its outcome in the transaction of its effect, so it acts once
 * however often it is tried. Never rejects: letters that could not be committed wait on.
 */
export async function redriveLetters(
  state: ThreadState,
  { transport, ids }: RedriveTask,
): Promise<RedriveResult> {
  let open = ids;
  try {
    const returned = await transaction(state, (db) => returnLetters(db, ids, state.redact.size === 0));
    const letters = await transaction(state, (db) => readLetters(db, ids));
    open = letters.map(({ id }) => id);
    const { items, refused } = await letterItems(state, transport, letters);
    if (refused.length > 0) await transaction(state, (db) => markLetters(db, refused));
    const lost = new Set<BatchItem>();
    const result = await applyBatch(state, items, redriveHooks(lost, state.redact));
    const outcomes: Record<string, number> = {};
    const count = (outcome: string, more = 1) => {
      if (more > 0) outcomes[outcome] = (outcomes[outcome] ?? 0) + more;
    };
    count('applied', returned);
    count('refused', refused.length);
    const held: string[] = [];
    const committed = new Map(result.committed.map(({ item, outcome }) => [item, outcome]));
    for (const item of items) {
      const outcome = committed.get(item);
      if (outcome === undefined && item.letterId !== undefined) held.push(item.letterId);
      if (outcome === undefined || lost.has(item)) continue;
      count(outcome.kind);
    }
    count('held', held.length);
    open = held;
    const traces = letters.flatMap(({ trace }) => trace ?? []);
    const notifies = returned > 0 || result.notifies === true;
    if (held.length === 0) return { outcomes, notifies, traces };
    await transaction(state, (db) => postponeLetters(db, held));
    return {
      outcomes,
      notifies,
      traces,
      failedBecause: result.heldBecause ?? 'letters were left without an outcome',
    };
  } catch (error) {
    return { outcomes: { held: open.length }, notifies: false, failedBecause: messageOf(error) };
  }
}

/** Marks letters that have ended two workers. Rejects if the database cannot be reached. */
export async function giveUpLetters(state: ThreadState, { ids }: RedriveTask): Promise<RedriveResult> {
  const detail = 'it ended the worker that redrove it, twice';
  await transaction(state, (db) =>
    markLetters(
      db,
      ids.map((id) => ({ id, outcome: 'dead', reason: 'crash', detail })),
    ),
  );
  return { outcomes: { dead: ids.length }, notifies: false };
}

/**
 * @param lost takes the items whose letters another session redrives, or has deleted.
 * @param names of arguments whose values letters do not keep.
 */
function redriveHooks(lost: Set<BatchItem>, names: ReadonlySet<string>): Hooks {
  let overtaken: ReadonlySet<BatchItem> = new Set();
  return {
    waits: true,
    // Nothing is lost by a wrong verdict, since the letter stays. Its operator waits for the answer.
    needsContrast: false,
    async begin(db, items) {
      const locked = await lockLetters(
        db,
        items.flatMap(({ letterId }) => letterId ?? []),
      );
      overtaken = new Set(items.filter(({ letterId }) => letterId === undefined || !locked.has(letterId)));
      for (const item of overtaken) lost.add(item);
      return overtaken;
    },
    judge: (_, outcome) => outcome,
    async finish(db, resolved) {
      const marks = resolved.flatMap(({ item, outcome }) =>
        overtaken.has(item) ? [] : markOf(item, outcome, names),
      );
      if (marks.length > 0) await markLetters(db, marks);
    },
  };
}

function markOf(item: BatchItem, outcome: Outcome, names: ReadonlySet<string>): LetterMark[] {
  const { letterId: id, task, method, args } = item;
  if (id === undefined) return [];
  const mark = {
    id,
    outcome: outcome.kind,
    method: cleanText(isTask(task) ? task.methodName : method, kept.method),
    instanceId: cleanText(instanceIdOf(task, args), kept.instanceId),
  };
  if (outcome.kind !== 'dead') {
    const shown = names.size === 0 ? undefined : redact(item, {}, names);
    // An edited body keeps its values for as long as it may be redriven.
    return [shown?.redacted ? { ...mark, editedBody: shown.body } : mark];
  }
  const { detail } = names.size === 0 ? outcome : redact(item, outcome, names);
  return [{ ...mark, reason: outcome.reason, detail: cleanText(detail, kept.detail) }];
}

function transaction<Result>(
  { pool, settings }: ThreadState,
  work: (db: Db) => Promise<Result>,
): Promise<Result> {
  const { preparedStatements } = settings.database;
  return inTransaction(pool, { preparedStatements }, work);
}

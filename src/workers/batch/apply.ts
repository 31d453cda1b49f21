import type { HoldCause } from '../../core/hold-causes.ts';
import { type BatchResult, type DeadNotice, HELD, outcomeKinds } from '../../core/message/outcome.ts';
import type { TransactionLog } from '../postgres/transaction-log.ts';
import { attempt } from './attempt.ts';
import { explain } from './blame.ts';
import { BatchClocks } from './clock-notes.ts';
import { holdCauseOf } from './hold-cause.ts';
import { takeApart } from './isolate.ts';
import { type BatchItem, isTask } from './item.ts';
import { noticeOf } from './leftovers/notice.ts';
import type { Resolved } from './leftovers/record.ts';
import { notifies } from './outbox/store.ts';
import type { Hooks, Run } from './run.ts';
import { BatchTally } from './tally.ts';
import type { ThreadState } from './thread-state.ts';

const noHooks: Hooks = {
  waits: true,
  needsContrast: true,
  judge: (_, outcome) => outcome,
  finish: () => Promise.resolve(),
};

/**
 * Applies a batch and commits it. Never rejects: messages that could not be committed are held.
 *
 * @param size how many codes are reported. A place without an item gets HELD.
 * @param log notes the transactions, if tracing is on.
 */
export async function applyBatch(
  state: ThreadState,
  batch: ReadonlyArray<BatchItem>,
  hooks: Hooks = noHooks,
  size = batch.length,
  log?: TransactionLog,
): Promise<BatchResult & { readonly committed: ReadonlyArray<Resolved> }> {
  const committed: Array<ReadonlyArray<Resolved>> = [];
  let heldBecause: string | undefined;
  let heldCause: HoldCause | undefined;
  let putAsideBecause: string | undefined;
  try {
    if (batch.length > 0)
      putAsideBecause = await commit(
        { ...state, hooks, committed, startedAt: performance.now(), log },
        batch,
      );
  } catch (error) {
    heldBecause = explain(error);
    heldCause = holdCauseOf(error);
  }
  const codes = new Uint8Array(size).fill(HELD);
  const deadOnes: DeadNotice[] = [];
  let hasNotifications = false;
  const clocks = new BatchClocks();
  const tally = new BatchTally(state.manager);
  // Nearly always there is one transaction.
  const [only = []] = committed;
  const all = committed.length > 1 ? committed.flat() : only;
  for (const { item, outcome } of all) {
    if (isTask(item.task)) clocks.add(item.task, outcome);
    hasNotifications ||= notifies(outcome);
    // It was deferred before, and was taken along by a newer message. It has no place in this batch.
    if (item.index < 0) continue;
    const code = outcomeKinds.indexOf(outcome.kind);
    codes[item.index] = code;
    tally.add(item, code);
    if (outcome.kind === 'dead') deadOnes.push(noticeOf(item, outcome, state.redact));
  }
  return {
    codes,
    dead: deadOnes,
    heldBecause,
    heldCause,
    putAsideBecause,
    committed: all,
    notifies: hasNotifications,
    clocks: clocks.notes,
    figures: tally.figures,
    ...(log !== undefined && { transactions: log.times }),
  };
}

/** Commits the items in one transaction. If that fails because of some items, it takes the batch apart. */
async function commit(run: Run, items: ReadonlyArray<BatchItem>): Promise<string | undefined> {
  // After a quarter of the time locked rows are searched for, so that the other items can go on.
  const lockTimeout = run.settings.database.lockTimeout / 4;
  const failure = await attempt(run, items, { lockTimeout, looksForLocks: true });
  return failure && takeApart(run, failure);
}

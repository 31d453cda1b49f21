import { CALL, type DeferredReason, dead, type Outcome } from '../core/message/outcome.ts';
import { wholeBody } from '../core/span.ts';
import { applyBatch } from './batch/apply.ts';
import { type BatchItem, isTask } from './batch/item.ts';
import { deferredItem } from './batch/leftovers/deferred-item.ts';
import { type Resolved, sealedPrefix } from './batch/leftovers/record.ts';
import { type ClaimedMessage, claimDeferred } from './batch/leftovers/sql/claim-deferred.ts';
import { deleteDeferred } from './batch/leftovers/sql/delete-deferred.ts';
import { lockDeferred } from './batch/leftovers/sql/lock-deferred.ts';
import { updateDeferredReasons } from './batch/leftovers/sql/update-deferred-reasons.ts';
import { decode } from './batch/read.ts';
import type { Hooks } from './batch/run.ts';
import type { ThreadState } from './batch/thread-state.ts';
import { unsealBatch } from './batch/unseal.ts';
import type { RetryResult } from './deferred.ts';
import { takesBatches } from './methods/contract.ts';
import { type Db, inTransaction } from './postgres/transaction.ts';

/** Deferred messages that one round retries at most. */
const retryLimit = 500;

/**
 * Retries the deferred messages of a transport that are due. Rejects if they cannot be claimed. Replicas may do this side by side: each
 * message is claimed once.
 */
export async function retryDeferred(state: ThreadState, transport: string): Promise<RetryResult> {
  const claimed = await claim(state, transport);
  if (claimed.length === 0) return { retried: 0, resolved: 0, isUnfinished: false, outcomes: {} };
  const [sealed, plain] = partition(claimed, ({ method }) => method.startsWith(sealedPrefix));
  const items = [
    ...plain.map(
      (message, index) =>
        [{ ...deferredItem(message, index, state.manager), hasRow: true }, message] as const,
    ),
    ...(await unsealDeferred(state, sealed, plain.length)),
  ];
  const byItem = new Map<BatchItem, ClaimedMessage>(items);
  const result = await applyBatch(state, [...byItem.keys()], retryHooks(byItem));
  const resolved = result.committed.filter(({ outcome }) => outcome.kind !== 'deferred').length;
  const { heldBecause } = result;
  return {
    retried: claimed.length,
    resolved,
    isUnfinished: claimed.length === retryLimit && heldBecause === undefined,
    notifies: result.notifies === true,
    dead: result.dead,
    outcomes: countsOf(result.committed, claimed.length),
    traces: claimed.flatMap(({ trace }) => trace ?? []),
    ...(heldBecause !== undefined && { failedBecause: heldBecause }),
  };
}

/** Claims only messages that this replica can apply, since another replica may have more methods. */
function claim({ pool, settings, manager }: ThreadState, transport: string): Promise<ClaimedMessage[]> {
  const { preparedStatements } = settings.database;
  const methods = Object.entries(manager).flatMap(([name, method]) =>
    takesBatches(method) ? [name, `${sealedPrefix}${name}`] : [],
  );
  return inTransaction(pool, { preparedStatements }, (db) =>
    claimDeferred(db, { ...settings.deferred, limit: retryLimit, transport, methods }),
  );
}

function retryHooks(byItem: ReadonlyMap<BatchItem, ClaimedMessage>): Hooks {
  return {
    waits: false,
    needsContrast: true,
    failingSince: (item) => {
      const failingFor = byItem.get(item)?.failingFor ?? undefined;
      return failingFor === undefined ? undefined : performance.now() - failingFor;
    },
    begin: overtaken,
    judge: (item, outcome) =>
      outcome.kind === 'deferred' && byItem.get(item)?.last === true
        ? (atLast[outcome.reason] ?? outcome)
        : outcome,
    async finish(db, resolved) {
      const done: ClaimedMessage[] = [];
      const other: { method: string; key: string; reason: DeferredReason }[] = [];
      for (const { item, outcome } of resolved) {
        const message = byItem.get(item);
        if (message === undefined) continue;
        if (outcome.kind === 'deferred') {
          if (outcome.reason !== message.reason) other.push({ ...message, reason: outcome.reason });
        } else done.push(message);
      }
      if (done.length > 0) await deleteDeferred(db, done);
      if (other.length > 0) await updateDeferredReasons(db, other);
    },
  };

  /**
   * A deferred message without a guard is overtaken if its row is gone: a newer message took it along. The lock keeps the other rows in
   * place until the transaction ends.
   */
  async function overtaken(db: Db, items: ReadonlyArray<BatchItem>): Promise<ReadonlySet<BatchItem>> {
    const unguarded = items.flatMap((item) => {
      const message = byItem.get(item);
      return message !== undefined && isTask(item.task) && message.sent === Number.NEGATIVE_INFINITY
        ? [{ item, message }]
        : [];
    });
    if (unguarded.length === 0) return new Set();
    const there = await lockDeferred(
      db,
      unguarded.map(({ message }) => message),
    );
    const names = new Set(there.map(({ method, key }) => `${method} ${key}`));
    return new Set(
      unguarded.flatMap(({ item, message: { method, key } }) =>
        names.has(`${method} ${key}`) ? [] : [item],
      ),
    );
  }
}

/** The outcome of a message that has reached the age limit. A reason that is not the message's fault has no entry: it waits on. */
const atLast: Partial<Record<DeferredReason, Outcome>> = {
  unknown: dead('never_known', 'its instance or backup was still unknown at the last retry'),
  contended: dead('never_unlocked', 'other transactions were still in its way at the last retry'),
};

/** Unseals messages that were deferred sealed. Rejects if keys cannot be read. */
async function unsealDeferred(
  state: ThreadState,
  claimed: ReadonlyArray<ClaimedMessage>,
  firstIndex: number,
): Promise<ReadonlyArray<readonly [BatchItem, ClaimedMessage]>> {
  const items: [BatchItem, ClaimedMessage][] = [];
  for (const [transport, messages] of Map.groupBy(claimed, (message) => message.transport)) {
    const raw = messages.map(({ args: { body, message_id: messageId }, trace }) => ({
      ...wholeBody(Buffer.from(String(body))),
      oversize: undefined,
      messageId: typeof messageId === 'string' ? messageId : undefined,
      sender: undefined,
      senderProof: undefined,
      isCall: false,
      trace: trace ?? undefined,
    }));
    const unsealed = await unsealBatch(state, transport, raw, { exceptCalls: true });
    for (const [position, message] of messages.entries()) {
      const one = unsealed[position];
      if (one === undefined) throw new Error(`message ${position} was left sealed`);
      const item = decode(one, firstIndex + items.length, transport, state.manager, state.settings);
      if (item === CALL) throw new Error('a call was deferred');
      const isLast = item.sealed !== undefined && message.last;
      const task = isLast ? (atLast.unknown ?? item.task) : item.task;
      items.push([{ ...item, task, hasRow: true }, message]);
    }
  }
  return items;
}

/** How many of `claimed` messages have each outcome. Those without one are held. */
function countsOf(committed: ReadonlyArray<Resolved>, claimed: number): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { outcome } of committed) counts[outcome.kind] = (counts[outcome.kind] ?? 0) + 1;
  if (committed.length < claimed) counts.held = claimed - committed.length;
  return counts;
}

function partition<Item>(items: ReadonlyArray<Item>, isFirst: (item: Item) => boolean): [Item[], Item[]] {
  return [items.filter(isFirst), items.filter((item) => !isFirst(item))];
}

import { messageOf } from '../core/errors.ts';
import { CALL, type DeferredReason, dead, type Outcome } from '../core/outcome.ts';
import { applyBatch } from './apply.ts';
import type { Hooks } from './attempt.ts';
import type { Context } from './context.ts';
import { type Db, inTransaction } from './db.ts';
import { decode, isTask, type Work } from './decode.ts';
import { deferredWork } from './deferred-work.ts';
import { takesBatches } from './manager.ts';
import type { DeferredVersion, MaintenanceResult } from './protocol.ts';
import { sealedPrefix } from './record.ts';
import { openBatch } from './secure.ts';
import { type ClaimedMessage, claimDeferred } from './sql/claim-deferred.ts';
import { deleteDeferred } from './sql/delete-deferred.ts';
import { lockDeferred } from './sql/lock-deferred.ts';
import { trimCallResults } from './sql/trim-call-results.ts';
import { trimDeadLetters, trimStep } from './sql/trim-dead-letters.ts';
import { updateDeferredReasons } from './sql/update-deferred-reasons.ts';

/** Deferred messages that one round tries. */
const retryLimit = 500;

/** Statements that one round deletes dead letters with, at most. */
const trimSteps = 25;

/**
 * Tries the deferred messages that are due, and keeps the tables bounded, each by itself: one that fails keeps none of the others
 * from its turn. Replicas share the work; never throws.
 */
export async function maintain(context: Context): Promise<MaintenanceResult> {
  const retrying = await settled(retry(context));
  const trimming = await settled(trim(context));
  const clearing = await settled(clearResults(context));
  const retried = retrying.value ?? { retried: 0, resolved: 0 };
  const failedBecause = retrying.error ?? retrying.value?.failedBecause ?? trimming.error ?? clearing.error;
  return {
    ...retried,
    trimmed: trimming.value ?? 0,
    ...(failedBecause !== undefined && { failedBecause }),
  };
}

/** What a step came to, or why it failed. */
async function settled<Value>(step: Promise<Value>): Promise<{ value?: Value; error?: string }> {
  try {
    return { value: await step };
  } catch (error) {
    return { error: messageOf(error) };
  }
}

async function retry(context: Context): Promise<Omit<MaintenanceResult, 'trimmed'>> {
  const claimed = await claim(context);
  if (claimed.length === 0) return { retried: 0, resolved: 0 };
  const [sealed, plain] = partition(claimed, ({ method }) => method.startsWith(sealedPrefix));
  const works = [
    ...plain.map(
      (message, index) =>
        [{ ...deferredWork(message, index, context.manager), hasRow: true }, message] as const,
    ),
    ...(await openSealed(context, sealed, plain.length)),
  ];
  const byWork = new Map<Work, ClaimedMessage>(works);
  const result = await applyBatch(context, [...byWork.keys()], retryHooks(byWork));
  const notifications = [...result.outcomes].flatMap(([work, outcome]) => {
    const message = byWork.get(work);
    if (message === undefined || outcome.kind !== 'applied' || outcome.notification === undefined) return [];
    const { method, key, sent } = message;
    const row = { method, key, sent };
    return [{ transport: work.transport, notification: outcome.notification, row }];
  });
  const resolved = [...result.outcomes.values()].filter(({ kind }) => kind !== 'deferred').length;
  const { heldBecause } = result;
  return {
    retried: claimed.length,
    resolved,
    notifications,
    dead: result.dead,
    ...(heldBecause !== undefined && { failedBecause: heldBecause }),
  };
}

/** Only what this replica can read and apply: another one may have more transports and methods. */
function claim({ pool, settings, manager }: Context): Promise<ClaimedMessage[]> {
  const { preparedStatements } = settings.database;
  const methods = Object.entries(manager).flatMap(([name, method]) =>
    takesBatches(method) ? [name, `${sealedPrefix}${name}`] : [],
  );
  const transports = Object.keys(settings.transports);
  return inTransaction(pool, { preparedStatements }, (db) =>
    claimDeferred(db, { ...settings.deferred, limit: retryLimit, transports, methods }),
  );
}

async function trim({ pool, settings }: Context): Promise<number> {
  const { preparedStatements } = settings.database;
  let trimmed = 0;
  for (let step = 0; step < trimSteps; step += 1) {
    const count = await inTransaction(pool, { preparedStatements }, (db) =>
      trimDeadLetters(db, settings.deadLetters.maxRows),
    );
    trimmed += count;
    if (count < trimStep) break;
  }
  return trimmed;
}

function clearResults({ pool, settings }: Context): Promise<void> {
  const { preparedStatements } = settings.database;
  return inTransaction(pool, { preparedStatements }, (db) =>
    trimCallResults(db, settings.calls.resultRetention, settings.calls.maxResults),
  );
}

function retryHooks(byWork: ReadonlyMap<Work, ClaimedMessage>): Hooks {
  return {
    waits: false,
    needsContrast: true,
    failingSince: (work) => {
      const failingFor = byWork.get(work)?.failingFor ?? undefined;
      return failingFor === undefined ? undefined : performance.now() - failingFor;
    },
    begin: overtaken,
    judge: (work, outcome) =>
      outcome.kind === 'deferred' && byWork.get(work)?.last === true
        ? (atLast[outcome.reason] ?? outcome)
        : outcome,
    async finish(db, resolved) {
      const done: ClaimedMessage[] = [];
      const other: { method: string; key: string; reason: DeferredReason }[] = [];
      for (const { work, outcome } of resolved) {
        const message = byWork.get(work);
        if (message === undefined) continue;
        if (outcome.kind === 'deferred') {
          if (outcome.reason !== message.reason) other.push({ ...message, reason: outcome.reason });
        } else if (!isDue(outcome, message)) done.push(message);
      }
      if (done.length > 0) await deleteDeferred(db, done);
      if (other.length > 0) await updateDeferredReasons(db, other);
    },
  };

  /** A message without a guard is overtaken once its row has gone: a newer one took it along. Until the end nobody can take it. */
  async function overtaken(db: Db, works: ReadonlyArray<Work>): Promise<ReadonlySet<Work>> {
    const unguarded = works.flatMap((work) => {
      const message = byWork.get(work);
      return message !== undefined && isTask(work.task) && message.sent === Number.NEGATIVE_INFINITY
        ? [{ work, message }]
        : [];
    });
    if (unguarded.length === 0) return new Set();
    const there = await lockDeferred(
      db,
      unguarded.map(({ message }) => message),
    );
    const names = new Set(there.map(({ method, key }) => `${method} ${key}`));
    return new Set(
      unguarded.flatMap(({ work, message: { method, key } }) =>
        names.has(`${method} ${key}`) ? [] : [work],
      ),
    );
  }
}

/** Whether the message stays until its notification is published: a crash before that must not lose it. */
function isDue(outcome: Outcome, { last }: ClaimedMessage): boolean {
  return outcome.kind === 'applied' && outcome.notification !== undefined && !last;
}

/** Lets go of deferred messages whose notifications are published. Rejects if the database cannot be reached: they come again. */
export async function forget(
  { pool, settings }: Context,
  rows: ReadonlyArray<DeferredVersion>,
): Promise<void> {
  const { preparedStatements } = settings.database;
  await inTransaction(pool, { preparedStatements }, (db) => deleteDeferred(db, rows));
}

/** What becomes of a message that has waited for as long as it may. One that waits for no fault of its own goes on waiting. */
const atLast: Partial<Record<DeferredReason, Outcome>> = {
  unknown: dead('never_known', 'its instance or backup was still unknown at the last retry'),
  contended: dead('never_unlocked', 'other transactions were still in its way at the last retry'),
};

/** Messages that could not be opened when they came. Rejects if keys cannot be read. */
async function openSealed(
  context: Context,
  claimed: ReadonlyArray<ClaimedMessage>,
  firstIndex: number,
): Promise<ReadonlyArray<readonly [Work, ClaimedMessage]>> {
  const works: [Work, ClaimedMessage][] = [];
  for (const [transport, messages] of Map.groupBy(claimed, (message) => message.transport)) {
    const incoming = messages.map(({ args: { body, message_id: messageId } }) => ({
      body: Buffer.from(String(body)),
      oversize: undefined,
      messageId: typeof messageId === 'string' ? messageId : undefined,
      sender: undefined,
      senderProof: undefined,
      isCall: false,
    }));
    const opened = await openBatch(context, transport, incoming, { exceptCalls: true });
    for (const [position, message] of messages.entries()) {
      const one = opened[position];
      if (one === undefined) throw new Error(`message ${position} was left unopened`);
      const work = decode(one, firstIndex + works.length, transport, context.manager, context.settings);
      if (work === CALL) throw new Error('a call was deferred');
      const isLast = work.sealed !== undefined && message.last;
      const task = isLast ? (atLast.unknown ?? work.task) : work.task;
      works.push([{ ...work, task, hasRow: true }, message]);
    }
  }
  return works;
}

function partition<Item>(items: ReadonlyArray<Item>, isFirst: (item: Item) => boolean): [Item[], Item[]] {
  return [items.filter(isFirst), items.filter((item) => !isFirst(item))];
}

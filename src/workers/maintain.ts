import { messageOf, Rejected } from '../core/errors.ts';
import { CALL, dead, type Outcome } from '../core/outcome.ts';
import { applyBatch, type Context, type Hooks } from './apply.ts';
import { type Db, inTransaction } from './db.ts';
import { decode, methodOf, taskOf, type Work } from './decode.ts';
import { type Manager, takesBatches } from './manager.ts';
import type { MaintenanceResult } from './protocol.ts';
import { sealedPrefix } from './record.ts';
import { openBatch } from './secure.ts';
import { type ClaimedMessage, claimDeferred } from './sql/claim-deferred.ts';
import { deleteDeferred } from './sql/delete-deferred.ts';
import { trimCallResults } from './sql/trim-call-results.ts';
import { trimDeadLetters } from './sql/trim-dead-letters.ts';

/** Deferred messages that one round tries. */
const retryLimit = 500;

/** Tries the deferred messages that are due, and keeps the tables bounded. Replicas share the work; never throws. */
export async function maintain(context: Context): Promise<MaintenanceResult> {
  const { settings, manager, pool } = context;
  const { preparedStatements } = settings.database;
  try {
    await inTransaction(pool, { preparedStatements }, (db) =>
      trimCallResults(db, settings.calls.resultRetention, settings.calls.maxResults),
    );
    const { trimmed, claimed } = await inTransaction(pool, { preparedStatements }, async (db) => ({
      trimmed: await trimDeadLetters(db, settings.deadLetters.maxRows),
      claimed: await claimDeferred(db, { ...settings.deferred, limit: retryLimit }),
    }));
    if (claimed.length === 0) return { retried: 0, resolved: 0, trimmed };
    const [sealed, plain] = partition(claimed, ({ method }) => method.startsWith(sealedPrefix));
    const works = [
      ...plain.map((message, index) => [workOf(message, index, manager), message] as const),
      ...(await openSealed(context, sealed, plain.length)),
    ];
    const byWork = new Map(works);
    const result = await applyBatch(context, [...byWork.keys()], retryHooks(byWork));
    const notifications = [...result.outcomes].flatMap(([{ transport }, outcome]) =>
      outcome.kind === 'applied' && outcome.notification !== undefined
        ? [[transport, outcome.notification] as const]
        : [],
    );
    const resolved = [...result.outcomes.values()].filter(({ kind }) => kind !== 'deferred').length;
    const { heldBecause } = result;
    return {
      retried: claimed.length,
      resolved,
      trimmed,
      dead: result.dead,
      notifications,
      ...(heldBecause !== undefined && { failedBecause: heldBecause }),
    };
  } catch (error) {
    return { retried: 0, resolved: 0, trimmed: 0, failedBecause: messageOf(error) };
  }
}

function retryHooks(byWork: ReadonlyMap<Work, ClaimedMessage>): Hooks {
  return {
    judge: (work, outcome) =>
      outcome.kind === 'deferred' && byWork.get(work)?.last ? atLast[outcome.reason] : outcome,
    async finish(db: Db, resolved) {
      const done = resolved.flatMap(({ work, outcome }) => {
        const message = byWork.get(work);
        return message === undefined || outcome.kind === 'deferred' ? [] : [message];
      });
      if (done.length > 0) await deleteDeferred(db, done);
    },
  };
}

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
      const task = work.sealed !== undefined && message.last ? atLast.unknown : work.task;
      works.push([{ ...work, task, hasRow: true }, message]);
    }
  }
  return works;
}

function partition<Item>(items: ReadonlyArray<Item>, isFirst: (item: Item) => boolean): [Item[], Item[]] {
  return [items.filter(isFirst), items.filter((item) => !isFirst(item))];
}

const atLast = {
  unknown: dead('never_known', 'its instance or backup was still unknown at the last retry'),
  locked: dead('never_unlocked', 'its row was still locked by another session at the last retry'),
} as const;

function workOf({ method, args, transport }: ClaimedMessage, index: number, manager: Manager): Work {
  const decoded = {
    method,
    args,
    version: undefined,
    messageId: undefined,
    sentRequired: false,
    context: undefined,
    call: undefined,
  };
  return { index, transport, incoming: undefined, decoded, task: taskOrDead() };

  function taskOrDead(): Work['task'] {
    try {
      const known = methodOf(decoded, manager);
      if (!takesBatches(known)) throw new Rejected('not_a_cast', `${method} is to be called`);
      return taskOf(decoded, known);
    } catch (error) {
      // Deferred by a release that knew the method, or took the argument.
      if (error instanceof Rejected) return dead(error.reason, error.message) satisfies Outcome;
      throw error;
    }
  }
}

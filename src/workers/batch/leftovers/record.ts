import { createHash } from 'node:crypto';
import { isObject } from '../../../core/json.ts';
import type { DeferredReason, Outcome } from '../../../core/message/outcome.ts';
import { bodyOf } from '../../../core/span.ts';
import { type Manager, takesBatches } from '../../methods/contract.ts';
import type { Db } from '../../postgres/transaction.ts';
import type { RawMessage, SealedCast } from '../../raw-message.ts';
import { type BatchItem, isTask, storedTrace } from '../item.ts';
import { notifies, storeNotifications } from '../outbox/store.ts';
import type { ThreadState } from '../thread-state.ts';
import { type LetterFlood, type Origin, sumUp } from './flood.ts';
import { cleanText, instanceIdOf, kept, letterOf } from './letter.ts';
import { countDeadLetters } from './sql/count-dead-letters.ts';
import { type DeadLetter, insertDeadLetters } from './sql/insert-dead-letters.ts';
import { type DeferredMessage, upsertDeferred } from './sql/upsert-deferred.ts';

/** A message and its outcome. */
export interface Resolved {
  readonly item: BatchItem;
  readonly outcome: Outcome;
}

/** Records the leftovers, deferred and dead ones, and the notifications, in the batch's own transaction. */
export async function record(
  db: Db,
  resolved: ReadonlyArray<Resolved>,
  state: Pick<ThreadState, 'manager' | 'settings' | 'flood' | 'redact'>,
): Promise<void> {
  const leftovers = resolved.filter(({ outcome }) => isKept(outcome));
  // Nearly always.
  if (leftovers.length === 0) return;
  const { manager, settings } = state;
  const deferredOnes = leftovers.flatMap((one) => toDeferred(one, manager));
  const letters: DeadLetter[] = [];
  const counted: Origin[] = [];
  for (const { item, outcome } of leftovers) {
    // A dead letter that dies again has its row. The hooks of its redrive mark it.
    if (outcome.kind !== 'dead' || item.letterId !== undefined) continue;
    const verdict = verdictOn(state.flood, item, outcome);
    if (verdict === 'whole') letters.push(letterOf(item, outcome, state.redact));
    else counted.push(verdict);
  }
  if (deferredOnes.length > 0) await upsertDeferred(db, manager, deferredOnes, settings.deferred.firstDelay);
  if (letters.length > 0) await insertDeadLetters(db, letters);
  if (counted.length > 0) await countDeadLetters(db, sumUp(counted));
  await storeNotifications(db, leftovers);
}

function isKept(outcome: Outcome): boolean {
  return outcome.kind === 'deferred' || outcome.kind === 'dead' || notifies(outcome);
}

/** A message that was deferred before is no part of a flood: `deferred.maxRows` bounds those. */
function verdictOn(
  flood: LetterFlood,
  item: BatchItem,
  { reason }: Extract<Outcome, { kind: 'dead' }>,
): 'whole' | Origin {
  const { transport, task, raw, args, hasRow } = item;
  if (raw === undefined || hasRow === true) return 'whole';
  const sender = cleanText(raw.sender, kept.sender);
  const instanceId = cleanText(instanceIdOf(task, args), kept.instanceId);
  return flood.judge(item, { transport, reason, sender, instanceId });
}

/**
 * Records a dead letter without any value that came from outside. It is the last resort for a message whose row every table refuses.
 */
export async function recordMinimal(
  db: Db,
  item: BatchItem,
  outcome: Extract<Outcome, { kind: 'dead' }>,
  { redact }: Pick<ThreadState, 'redact'>,
): Promise<void> {
  if (item.letterId !== undefined) return;
  const bare = { detail: null, method: null, instanceId: null, messageId: null, sender: null, trace: null };
  await insertDeadLetters(db, [{ ...letterOf(item, outcome, redact), ...bare }]);
}

function toDeferred({ item, outcome }: Resolved, manager: Manager): DeferredMessage[] {
  const { transport, raw, sealed } = item;
  // A message that was deferred before has its row.
  if (outcome.kind !== 'deferred' || item.hasRow === true) return [];
  if (sealed !== undefined && raw !== undefined)
    return [toDeferredSealed(sealed, transport, raw, outcome.reason, manager)];
  // If it were settled without a row, it would be lost. This error makes it a dead letter.
  const task = isTask(item.task) ? item.task : item.later;
  if (task === undefined) throw new TypeError('a message without arguments cannot be deferred');
  const { method, methodName, args } = task;
  const wire = method.toWire(args);
  if (!isObject(wire)) throw new TypeError(`toWire of ${methodName} returned no object`);
  return [
    {
      method: methodName,
      key: args.key,
      instanceId: args.instanceId,
      transport,
      args: wire,
      guard: args.guard ?? Number.NEGATIVE_INFINITY,
      reason: outcome.reason,
      trace: storedTrace(item),
    },
  ];
}

/** Prefix of a sealed message's method in `deferred`. No method has such a name. */
export const sealedPrefix = 'sealed ';

/**
 * A sealed message shows neither its key nor its `sent`. If only the latest message of its method counts, one message an instance is
 * kept, the one that came last. Of any other method each message is kept, since two backups have two keys.
 */
function toDeferredSealed(
  { method, instanceId }: SealedCast,
  transport: string,
  raw: RawMessage,
  reason: DeferredReason,
  manager: Manager,
): DeferredMessage {
  const known = manager[method];
  const body = bodyOf(raw);
  const latestOnly = known !== undefined && takesBatches(known) && known.latestOnly === true;
  return {
    method: `${sealedPrefix}${method}`,
    key: latestOnly ? instanceId : `${instanceId} ${createHash('sha256').update(body).digest('hex')}`,
    instanceId,
    transport,
    args: { body: body.toString('utf8'), message_id: raw.messageId },
    guard: nextArrival(),
    reason,
    trace: storedTrace({ raw }),
  };
}

let lastArrival = 0;

/** Seconds since the epoch, greater at each call, so that the later one of a batch is the newer one. */
function nextArrival(): number {
  lastArrival = Math.max(lastArrival + 0.000_001, Date.now() / 1000);
  return lastArrival;
}

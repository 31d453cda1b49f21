import { createHash } from 'node:crypto';
import type { Notification } from '../../../core/message/notification.ts';
import type { Outcome } from '../../../core/message/outcome.ts';
import type { Db } from '../../postgres/transaction.ts';
import { type BatchItem, isTask, storedTrace } from '../item.ts';
import { insertNotifications, type StoredNotification } from './sql/insert-notifications.ts';

/** A message, and the outcome that may carry a notification. */
interface Notifying {
  readonly item: BatchItem;
  readonly outcome: Outcome;
}

/** Whether a message leads to a notification. */
export function notifies(outcome: Outcome): boolean {
  return outcome.kind === 'applied' && outcome.notification !== undefined;
}

/** Stores the notifications of a batch in the batch's own transaction, in the order in which their messages came. */
export async function storeNotifications(db: Db, all: ReadonlyArray<Notifying>): Promise<void> {
  const rows = all.toSorted((a, b) => a.item.index - b.item.index).flatMap(toRow);
  if (rows.length > 0) await insertNotifications(db, rows);
}

function toRow({ item, outcome }: Notifying): StoredNotification[] {
  if (outcome.kind !== 'applied' || outcome.notification === undefined) return [];
  const { notification } = outcome;
  const { topic, body } = notification;
  // A deployer's method may be JavaScript. The error makes the message a dead letter.
  if (typeof topic !== 'string' || topic === '' || !(body instanceof Uint8Array))
    throw new TypeError(
      `method ${item.method} returned a notification without a topic or without bytes as its body`,
    );
  return [
    {
      transport: item.transport,
      topic,
      messageId: notification.id ?? idOf(item, notification),
      instanceId: isTask(item.task) ? item.task.args.instanceId : null,
      body: Buffer.from(body.buffer, body.byteOffset, body.length),
      trace: storedTrace(item),
    },
  ];
}

/**
 * An id that is the same if the message comes again: from the message's own id; without one, from its key and the notification's body.
 * A sender chooses its ids freely, so its instance is a part.
 */
function idOf({ task, raw, messageId: own }: BatchItem, { topic, body }: Notification): string {
  const hash = createHash('sha256').update(topic);
  if (isTask(task)) hash.update(`\0${task.methodName}\0${task.args.instanceId}\0${task.args.key}`);
  const messageId = raw?.messageId ?? own;
  return hash.update(messageId === undefined ? body : `\0${messageId}`).digest('hex');
}

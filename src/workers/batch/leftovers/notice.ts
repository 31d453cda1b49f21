import type { DeadNotice, Outcome } from '../../../core/message/outcome.ts';
import type { BatchItem } from '../item.ts';
import { cleanText, instanceIdOf } from './letter.ts';

/** Characters of a dead letter's detail in the log. The table has five times as many. */
const noticeDetail = 200;

/** A dead letter as the main thread logs it. It is enough to find the row and the sender. */
export function noticeOf(
  { transport, task, raw, method, messageId, args }: BatchItem,
  { reason, detail }: Extract<Outcome, { kind: 'dead' }>,
): DeadNotice {
  const id = raw?.messageId ?? messageId;
  return {
    transport,
    reason,
    method: cleanText(method, 64) ?? undefined,
    instanceId: cleanText(instanceIdOf(task, args), 64) ?? undefined,
    messageId: cleanText(id, 128) ?? undefined,
    detail: cleanText(detail, noticeDetail) ?? undefined,
  };
}

import type { DeadNotice, Outcome } from '../../../core/message/outcome.ts';
import type { BatchItem } from '../item.ts';
import { cleanText, instanceIdOf } from './letter.ts';
import { redact } from './redact.ts';

/** Characters of a dead letter's detail in the log. The table has five times as many. */
const noticeDetail = 200;

/**
 * A dead letter as the main thread logs it. It is enough to find the row and the sender.
 *
 * @param names the arguments whose values are not kept.
 */
export function noticeOf(
  item: BatchItem,
  outcome: Extract<Outcome, { kind: 'dead' }>,
  names: ReadonlySet<string>,
): DeadNotice {
  const { transport, task, raw, method, messageId, args } = item;
  const id = raw?.messageId ?? messageId;
  const detail = names.size === 0 ? outcome.detail : redact(item, outcome, names).detail;
  return {
    transport,
    reason: outcome.reason,
    method: cleanText(method, 64) ?? undefined,
    instanceId: cleanText(instanceIdOf(task, args), 64) ?? undefined,
    messageId: cleanText(id, 128) ?? undefined,
    detail: cleanText(detail, noticeDetail) ?? undefined,
  };
}

import { createHash } from 'node:crypto';
import type { Outcome } from '../../../core/message/outcome.ts';
import { bodyOf } from '../../../core/span.ts';
import { keptBody } from '../../raw-message.ts';
import { type BatchItem, isTask, storedTrace } from '../item.ts';
import { redact } from './redact.ts';
import type { DeadLetter } from './sql/insert-dead-letters.ts';

/** Characters that a dead letter's row keeps of each text. */
export const kept = { detail: 1000, method: 64, instanceId: 64, messageId: 128, sender: 128 } as const;

/**
 * The row of a dead letter.
 *
 * @param names the arguments whose values are not kept.
 */
export function letterOf(
  item: BatchItem,
  outcome: Extract<Outcome, { kind: 'dead' }>,
  names: ReadonlySet<string>,
): DeadLetter {
  const { transport, raw, messageId } = item;
  const whole = wholeOf(item);
  const shown = names.size === 0 ? undefined : redact(item, outcome, names);
  const body = shown === undefined ? whole : shown.body;
  return {
    transport,
    reason: outcome.reason,
    detail: cleanText(shown?.detail ?? outcome.detail, kept.detail),
    method: cleanText(item.method, kept.method),
    instanceId: cleanText(instanceIdOf(item.task, item.args), kept.instanceId),
    messageId: cleanText(raw?.messageId ?? messageId, kept.messageId),
    sender: cleanText(raw?.sender, kept.sender),
    senderProof: raw?.senderProof ?? null,
    compression: shown?.inflated === true ? null : cleanText(raw?.compression || undefined, kept.method),
    isCall: raw?.isCall === true,
    wasDeferred: raw === undefined,
    trace: storedTrace(item),
    redacted: shown?.redacted === true,
    body: body?.subarray(0, keptBody) ?? null,
    bodySize: raw?.oversize?.size ?? whole.length,
    bodyDigest: Buffer.from(raw?.oversize?.digest ?? createHash('sha256').update(whole).digest()),
  };
}

/** A message that was deferred before has no body. Its arguments take the body's place. */
function wholeOf({ raw, method, args }: BatchItem): Buffer {
  return raw === undefined ? Buffer.from(JSON.stringify({ method, args })) : bodyOf(raw);
}

/** The instance that a message names, even if the message could not be parsed. */
export function instanceIdOf(task: BatchItem['task'], args: unknown): string | undefined {
  if (isTask(task)) return task.args.instanceId;
  if (typeof args !== 'object' || args === null || !('instance_id' in args)) return undefined;
  return typeof args.instance_id === 'string' ? args.instance_id : undefined;
}

/** Text that is safe for Postgres and a terminal: control characters escaped, lone surrogates replaced, cut to the length. */
export function cleanText(text: string | undefined, maxLength: number): string | null {
  if (text === undefined) return null;
  return text
    .slice(0, maxLength)
    .toWellFormed()
    .replaceAll(/\p{Cc}/gu, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`)
    .slice(0, maxLength);
}

import { createHash } from 'node:crypto';
import { CallRefused, Rejected } from '../../core/errors.ts';
import type { JsonObject } from '../../core/json.ts';
import type { Principal } from '../../core/message/envelope.ts';
import type { Db } from '../postgres/transaction.ts';
import { type CallIdentity, claimCall } from './sql/claim-call.ts';
import { keepResult } from './sql/keep-result.ts';

/** Characters of a message id or of a sender's name: both are part of an index's entry. */
const maxLength = 255;

/**
 * What a mutating call is known by. Throws Rejected if it has no usable message id.
 *
 * In the native form that is the protocol's own message id, so that a caller who repeats a call sends the same one. In oslo's
 * it is `_unique_id`, by which oslo itself knows a message that was delivered twice (oslo_messaging/_drivers/amqp.py,
 * `_MsgIdCache`); `_msg_id` only says which waiting caller an answer is for. RPCClient makes both anew for each call, also for one
 * that its user repeats.
 */
export function identityOf(
  method: string,
  principal: Principal,
  messageId: string | undefined,
  args: JsonObject,
): CallIdentity {
  if (messageId === undefined || messageId === '') {
    throw new Rejected(
      'bad_argument',
      `${method} changes something: it needs a message id, by which its repetition is known`,
      'message_id',
    );
  }
  const name = principal.kind === 'unproven' ? 'unproven' : `${principal.kind} ${principal.id}`;
  if (messageId.length > maxLength || name.length > maxLength) {
    throw new Rejected(
      'bad_argument',
      `the message id or the sender's name has more than ${maxLength} characters`,
      'message_id',
    );
  }
  // Not the body: a repetition may say another reply address, or another correlation id, in it.
  const digest = createHash('sha256')
    .update(JSON.stringify([method, args]))
    .digest();
  return { principal: name, messageId, digest };
}

/**
 * Executes a call once, however often it comes and to however many replicas: its result is kept in the transaction that it acts in.
 * Throws CallRefused where another call had the same id.
 *
 * @param execute resolves with the result as JSON.
 * @returns the result, of the first time where there was one.
 */
export async function actOnce(
  db: Db,
  identity: CallIdentity,
  execute: () => Promise<string>,
): Promise<string> {
  const earlier = await claimCall(db, identity);
  if (earlier === undefined) {
    const result = await execute();
    await keepResult(db, identity, result);
    return result;
  }
  if (earlier.sameCall) return earlier.result;
  throw new CallRefused(
    'Conflict',
    `another call has come with the message id ${JSON.stringify(identity.messageId)}`,
    'message_id',
  );
}

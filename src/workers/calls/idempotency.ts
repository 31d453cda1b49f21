import { createHash } from 'node:crypto';
import { CallRefused, Rejected } from '../../core/errors.ts';
import type { JsonObject } from '../../core/json.ts';
import type { Principal } from '../../core/message/envelope.ts';
import { writeMarker } from '../postgres/sql/write-marker.ts';
import type { Db } from '../postgres/transaction.ts';
import { type CallIdentity, claimCall } from './sql/claim-call.ts';
import { keepResult } from './sql/keep-result.ts';

/** Characters of a message id or a sender's name at most, since both are part of an index's entry. */
const maxLength = 255;

/**
 * The identity by which a repetition of a mutating call is recognized. Throws Rejected if the call has no usable message id.
 *
 * In the native form it is the protocol's own message id, so a caller that repeats a call sends the same id. In oslo's form it is
 * `_unique_id`, by which oslo itself recognizes a message that was delivered twice (oslo_messaging/_drivers/amqp.py, `_MsgIdCache`);
 * `_msg_id` only says which waiting caller an answer is for. RPCClient makes both anew for each call, even for a call that its user
 * repeats.
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
      `${method} changes something: it needs a message id, so that a repetition is recognized`,
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
  // Not of the body, since a repetition may have another reply address or correlation id in it.
  const digest = createHash('sha256')
    .update(JSON.stringify([method, args]))
    .digest();
  return { principal: name, messageId, digest };
}

/**
 * Executes a call once, however often it comes and on however many replicas. Its result is stored in the transaction that it acts in.
 * Throws CallRefused if another call had the same id.
 *
 * @param execute resolves with the result as JSON.
 * @returns the result, of the first execution if there was one.
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
  if (earlier.sameCall) {
    await writeMarker(db);
    return earlier.result;
  }
  throw new CallRefused(
    'Conflict',
    `another call has come with the message id ${JSON.stringify(identity.messageId)}`,
    'message_id',
  );
}

import type { KeyObject } from 'node:crypto';
import { messageOf, Rejected } from '../../core/errors.ts';
import { type JsonObject, textOf } from '../../core/json.ts';
import { inflate } from '../../core/message/codecs/inflate.ts';
import { envelopeOf, parseMessage, readCallAddress } from '../../core/message/codecs/oslo.ts';
import { encrypt, type Sealed, sealedParts, unseal } from '../../core/message/codecs/trove-secure.ts';
import { bodyOf, wholeBody } from '../../core/span.ts';
import { inTransaction } from '../postgres/transaction.ts';
import { keptBody, type RawMessage, type Unsealed } from '../raw-message.ts';
import { InstanceKeys } from './instance-keys.ts';
import { contentSpan, refuseOversize } from './read.ts';
import { readInstanceKeys } from './read-instance-keys.ts';
import type { ThreadState } from './thread-state.ts';
import { verifyBatch } from './verify.ts';

/**
 * The step before messages are decoded. It prepares compressed bodies for inflating; a dead letter keeps the compressed body.
 *
 * On transports with auth `hmac` it checks the signatures (verify.ts).
 *
 * On transports with auth `trove` it unseals the secure form. The principal of a message is the instance whose key decrypts the context
 * and every argument. A plain message has no principal and is refused.
 *
 * One query for the whole batch reads the keys that the thread lacks, and reads again the keys that decrypt nothing, since a key may
 * have changed. So no message is refused because of an old key. A cast of an unknown instance is deferred sealed, since the instance
 * may become known soon.
 */

export interface UnsealOptions {
  /** Leave calls sealed. A batch only recognizes them. */
  readonly exceptCalls: boolean;
  /** Accept signatures of any age: an operator redrives the messages. */
  readonly anyAge?: boolean;
}

/** Rejects if keys cannot be read. Then all messages are held, since nothing is known about any of them. */
export async function unsealBatch(
  state: ThreadState,
  transport: string,
  received: ReadonlyArray<RawMessage>,
  { exceptCalls, anyAge = false }: UnsealOptions,
): Promise<ReadonlyArray<RawMessage>> {
  const isCompressed = received.some(({ compression }) => compression !== undefined);
  const batch = isCompressed ? received.map((raw) => withInflated(raw, state)) : received;
  const entry = state.settings.transports[transport];
  if (entry?.auth === 'hmac')
    return verifyBatch(state, batch, { maxAge: anyAge ? Number.POSITIVE_INFINITY : (entry.maxAge ?? 0) });
  const keys = keysOf(state, transport);
  if (keys === undefined) return batch;
  const unsealing = batch.map((raw) => begin(raw, exceptCalls));
  const pending = unsealing.filter((one): one is Pending => 'sealed' in one);
  const missing = pending.filter((one) => !tryKey(one, keys.get(one.sealed.instanceId)));
  if (missing.length > 0) await refresh(state, keys, missing);
  return batch.map((raw, index) => withUnsealed(raw, unsealing[index]));
}

function withInflated(raw: RawMessage, { settings: { maxBody } }: ThreadState): RawMessage {
  const { compression, oversize } = raw;
  // Some senders give an empty name for "not compressed".
  if (compression === undefined || compression === '' || oversize !== undefined) return raw;
  return { ...raw, inflated: () => inflate(bodyOf(raw), compression, maxBody) };
}

/** A message that is being unsealed. */
type Unsealing = { unsealed: Unsealed } | Pending;

interface Pending {
  unsealed: Unsealed | undefined;
  readonly message: JsonObject;
  readonly sealed: Sealed;
  /** The inflated body. */
  readonly body: Buffer;
}

function begin(raw: RawMessage, exceptCalls: boolean): Unsealing {
  let message: JsonObject = {};
  let body = bodyOf(raw);
  try {
    refuseOversize(raw);
    body = bodyOf(contentSpan(raw));
    message = parseMessage(textOf(body));
  } catch (error) {
    return { unsealed: { rejected: asRejected(error), call: undefined } };
  }
  const call = readCallAddress(message);
  if (call !== undefined && exceptCalls) return { unsealed: { call } };
  const sealed = sealedParts(message);
  if (typeof sealed !== 'string') return { unsealed: undefined, message, sealed, body };
  const detail = `the message is not in Trove's secure form, as this transport requires: ${sealed}`;
  return { unsealed: { rejected: new Rejected('forbidden', detail), call } };
}

/** Tries to unseal a message with a key. Returns whether the key fits. */
function tryKey(one: Pending, key: KeyObject | undefined): boolean {
  if (key === undefined) return false;
  const plain = unseal(one.sealed, key);
  if (plain === undefined) return false;
  try {
    one.unsealed = {
      envelope: envelopeOf({ ...one.message, args: plain.args }, plain.context),
      seal: (result) => encrypt(JSON.stringify(result ?? null), key),
    };
  } catch (error) {
    one.unsealed = { rejected: asRejected(error), call: readCallAddress(one.message) };
  }
  return true;
}

/** Reads the keys of these messages and tries again to unseal them. */
async function refresh(
  state: ThreadState,
  keys: InstanceKeys,
  missing: ReadonlyArray<Pending>,
): Promise<void> {
  const { preparedStatements } = state.settings.database;
  const ids = [...new Set(missing.map(({ sealed }) => sealed.instanceId))];
  const found = await keys.refresh(ids, (wanted) =>
    inTransaction(state.pool, { preparedStatements }, (db) => readInstanceKeys(db, wanted)),
  );
  for (const one of missing) {
    const key = found.get(one.sealed.instanceId);
    if (key === undefined) one.unsealed = unknownKey(one);
    else if (key === 'none' || !tryKey(one, key)) one.unsealed = undecryptable(one, key === 'none');
  }
}

/** The error does not say which part failed, or why, since that would help an attacker to guess. */
function undecryptable({ message, sealed: { instanceId } }: Pending, hasNoKey: boolean): Unsealed {
  const why = hasNoKey ? 'has no key to unseal it with' : 'has a key that does not unseal it';
  return {
    rejected: new Rejected('undecryptable', `instance ${instanceId}, which it names, ${why}`),
    call: readCallAddress(message),
  };
}

function unknownKey({ message, sealed: { instanceId }, body }: Pending): Unsealed {
  const call = readCallAddress(message);
  const { method } = message;
  const detail = `the key of instance ${instanceId}, which it names, is not known`;
  // A caller can try again itself. Large messages would fill the table.
  if (call !== undefined || body.length > keptBody)
    return { rejected: new Rejected('undecryptable', detail), call };
  if (typeof method !== 'string')
    return { rejected: new Rejected('bad_envelope', 'method is missing'), call };
  return { waits: { method, instanceId } };
}

function withUnsealed(raw: RawMessage, unsealing: Unsealing | undefined): RawMessage {
  const unsealed = unsealing?.unsealed;
  if (unsealed === undefined) throw new Error('a message was left sealed');
  // The body is kept as text, to be unsealed later.
  if ('waits' in unsealed && unsealing !== undefined && 'sealed' in unsealing)
    return { ...raw, ...wholeBody(unsealing.body), unsealed, compression: undefined, inflated: undefined };
  if (!('envelope' in unsealed)) return { ...raw, unsealed };
  const sender = unsealing !== undefined && 'sealed' in unsealing ? unsealing.sealed.instanceId : undefined;
  return { ...raw, unsealed, sender, senderProof: 'trove' };
}

/** The transport's keys; undefined if its messages are not sealed. */
function keysOf(state: ThreadState, transport: string): InstanceKeys | undefined {
  const entry = state.settings.transports[transport];
  if (entry?.auth !== 'trove') return undefined;
  const keys = state.instanceKeys.get(transport) ?? new InstanceKeys(entry.instRpcKeyEncrKey ?? '');
  state.instanceKeys.set(transport, keys);
  return keys;
}

function asRejected(error: unknown): Rejected {
  if (error instanceof Rejected) return error;
  return new Rejected('crash', `reading the message failed: ${messageOf(error)}`);
}

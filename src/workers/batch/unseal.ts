import type { KeyObject } from 'node:crypto';
import { messageOf, Rejected } from '../../core/errors.ts';
import { type JsonObject, textOf } from '../../core/json.ts';
import { inflate } from '../../core/message/codecs/inflate.ts';
import { envelopeOf, parseMessage, readCallAddress } from '../../core/message/codecs/oslo.ts';
import { encrypt, type Sealed, sealedParts, unseal } from '../../core/message/codecs/trove-secure.ts';
import { inTransaction } from '../postgres/transaction.ts';
import { keptBody, type RawMessage, type Unsealed } from '../raw-message.ts';
import { InstanceKeys } from './instance-keys.ts';
import { plainBody, refuseOversize } from './read.ts';
import { readInstanceKeys } from './read-instance-keys.ts';
import type { ThreadState } from './thread-state.ts';

/**
 * The step before messages are decoded. Compressed bodies are made ready to be inflated; a dead letter keeps them as they came.
 *
 * On transports with auth `trove` the secure form is opened. The sender of a message is
 * the instance whose key opens its context and every argument; plain text has no sender and is refused.
 *
 * Keys that are not kept are read with one query for the whole batch, and once more those that open nothing: they may have been
 * changed. So no message is refused for a key that was read before it came. A cast whose instance is not known is kept as it is,
 * to be opened later: it may be known a moment from now.
 */

export interface UnsealOptions {
  /** Leave calls as they are: they are only to be told apart. */
  readonly exceptCalls: boolean;
}

/** Rejects if keys cannot be read: then all messages are held, since nothing is known of any. */
export async function unsealBatch(
  state: ThreadState,
  transport: string,
  received: ReadonlyArray<RawMessage>,
  { exceptCalls }: UnsealOptions,
): Promise<ReadonlyArray<RawMessage>> {
  const isCompressed = received.some(({ compression }) => compression !== undefined);
  const batch = isCompressed ? received.map((raw) => withInflated(raw, state)) : received;
  const keys = keysOf(state, transport);
  if (keys === undefined) return batch;
  const unsealing = batch.map((raw) => begin(raw, exceptCalls));
  const pending = unsealing.filter((one): one is Pending => 'sealed' in one);
  const missing = pending.filter((one) => !tryKey(one, keys.get(one.sealed.instanceId)));
  if (missing.length > 0) await refresh(state, keys, missing);
  return batch.map((raw, index) => withOpened(raw, unsealing[index]));
}

function withInflated(raw: RawMessage, { settings: { maxBody } }: ThreadState): RawMessage {
  const { body, compression, oversize } = raw;
  // Some say of a body that it is not compressed.
  if (compression === undefined || compression === '' || oversize !== undefined) return raw;
  return { ...raw, inflated: () => inflate(body, compression, maxBody) };
}

/** A message that is being opened. */
type Unsealing = { unsealed: Unsealed } | Pending;

interface Pending {
  unsealed: Unsealed | undefined;
  readonly message: JsonObject;
  readonly sealed: Sealed;
  /** Inflated. */
  readonly body: Uint8Array;
}

function begin(raw: RawMessage, exceptCalls: boolean): Unsealing {
  let message: JsonObject = {};
  let body = raw.body;
  try {
    refuseOversize(raw);
    body = plainBody(raw);
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

/** Whether the key opens it. */
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

/** Reads the keys of these messages and tries again. */
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

/** Nothing says which part did not open, or why: that would help to guess. */
function undecryptable({ message, sealed: { instanceId } }: Pending, hasNoKey: boolean): Unsealed {
  const why = hasNoKey ? 'has no key to open it with' : 'has a key that does not open it';
  return {
    rejected: new Rejected('undecryptable', `instance ${instanceId}, which it names, ${why}`),
    call: readCallAddress(message),
  };
}

function unknownKey({ message, sealed: { instanceId }, body }: Pending): Unsealed {
  const call = readCallAddress(message);
  const { method } = message;
  const detail = `the key of instance ${instanceId}, which it names, is not known`;
  // The caller is there to try again. What is large would fill the table.
  if (call !== undefined || body.length > keptBody)
    return { rejected: new Rejected('undecryptable', detail), call };
  if (typeof method !== 'string')
    return { rejected: new Rejected('bad_envelope', 'method is missing'), call };
  return { waits: { method, instanceId } };
}

function withOpened(raw: RawMessage, unsealing: Unsealing | undefined): RawMessage {
  const unsealed = unsealing?.unsealed;
  if (unsealed === undefined) throw new Error('a message was left unopened');
  // It is kept as text, to be read later.
  if ('waits' in unsealed && unsealing !== undefined && 'sealed' in unsealing)
    return { ...raw, unsealed, body: unsealing.body, compression: undefined, inflated: undefined };
  if (!('envelope' in unsealed)) return { ...raw, unsealed };
  const sender = unsealing !== undefined && 'sealed' in unsealing ? unsealing.sealed.instanceId : undefined;
  return { ...raw, unsealed, sender, senderProof: 'trove' };
}

/** The transport's keys; undefined where its messages are read as they are. */
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

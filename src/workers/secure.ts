import type { KeyObject } from 'node:crypto';
import { inflate } from '../core/codecs/inflate.ts';
import { envelopeOf, parseMessage, readCallAddress } from '../core/codecs/oslo.ts';
import { encrypt, type Sealed, sealedParts, unseal } from '../core/codecs/trove-secure.ts';
import { messageOf, Rejected } from '../core/errors.ts';
import { type JsonObject, textOf } from '../core/json.ts';
import type { Context } from './context.ts';
import { inTransaction } from './db.ts';
import { plainBody, refuseOversize } from './decode.ts';
import { InstanceKeys } from './instance-keys.ts';
import { type Incoming, keptBody, type Opened } from './protocol.ts';
import { readInstanceKeys } from './sql/read-instance-keys.ts';

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

export interface OpenOptions {
  /** Leave calls as they are: they are only to be told apart. */
  readonly exceptCalls: boolean;
}

/** Rejects if keys cannot be read: then all messages are held, since nothing is known of any. */
export async function openBatch(
  context: Context,
  transport: string,
  received: ReadonlyArray<Incoming>,
  { exceptCalls }: OpenOptions,
): Promise<ReadonlyArray<Incoming>> {
  const isCompressed = received.some(({ compression }) => compression !== undefined);
  const batch = isCompressed ? received.map((incoming) => withInflated(incoming, context)) : received;
  const keys = keysOf(context, transport);
  if (keys === undefined) return batch;
  const opening = batch.map((incoming) => begin(incoming, exceptCalls));
  const pending = opening.filter((one): one is Pending => 'sealed' in one);
  const missing = pending.filter((one) => !tryKey(one, keys.get(one.sealed.instanceId)));
  if (missing.length > 0) await refresh(context, keys, missing);
  return batch.map((incoming, index) => withOpened(incoming, opening[index]));
}

function withInflated(incoming: Incoming, { settings: { maxBody } }: Context): Incoming {
  const { body, compression, oversize } = incoming;
  // Some say of a body that it is not compressed.
  if (compression === undefined || compression === '' || oversize !== undefined) return incoming;
  return { ...incoming, inflated: () => inflate(body, compression, maxBody) };
}

/** A message that is being opened. */
type Opening = { opened: Opened } | Pending;

interface Pending {
  opened: Opened | undefined;
  readonly message: JsonObject;
  readonly sealed: Sealed;
  /** Inflated. */
  readonly body: Uint8Array;
}

function begin(incoming: Incoming, exceptCalls: boolean): Opening {
  let message: JsonObject = {};
  let body = incoming.body;
  try {
    refuseOversize(incoming);
    body = plainBody(incoming);
    message = parseMessage(textOf(body));
  } catch (error) {
    return { opened: { rejected: asRejected(error), call: undefined } };
  }
  const call = readCallAddress(message);
  if (call !== undefined && exceptCalls) return { opened: { call } };
  const sealed = sealedParts(message);
  if (typeof sealed !== 'string') return { opened: undefined, message, sealed, body };
  const detail = `the message is not in Trove's secure form, as this transport requires: ${sealed}`;
  return { opened: { rejected: new Rejected('forbidden', detail), call } };
}

/** Whether the key opens it. */
function tryKey(one: Pending, key: KeyObject | undefined): boolean {
  if (key === undefined) return false;
  const plain = unseal(one.sealed, key);
  if (plain === undefined) return false;
  try {
    one.opened = {
      envelope: envelopeOf({ ...one.message, args: plain.args }, plain.context),
      seal: (result) => encrypt(JSON.stringify(result ?? null), key),
    };
  } catch (error) {
    one.opened = { rejected: asRejected(error), call: readCallAddress(one.message) };
  }
  return true;
}

/** Reads the keys of these messages and tries again. */
async function refresh(context: Context, keys: InstanceKeys, missing: ReadonlyArray<Pending>): Promise<void> {
  const { preparedStatements } = context.settings.database;
  const ids = [...new Set(missing.map(({ sealed }) => sealed.instanceId))];
  const found = await keys.refresh(ids, (wanted) =>
    inTransaction(context.pool, { preparedStatements }, (db) => readInstanceKeys(db, wanted)),
  );
  for (const one of missing) {
    const key = found.get(one.sealed.instanceId);
    if (key === undefined) one.opened = unknownKey(one);
    else if (key === 'none' || !tryKey(one, key)) one.opened = undecryptable(one, key === 'none');
  }
}

/** Nothing says which part did not open, or why: that would help to guess. */
function undecryptable({ message, sealed: { instanceId } }: Pending, hasNoKey: boolean): Opened {
  const why = hasNoKey ? 'has no key to open it with' : 'has a key that does not open it';
  return {
    rejected: new Rejected('undecryptable', `instance ${instanceId}, which it names, ${why}`),
    call: readCallAddress(message),
  };
}

function unknownKey({ message, sealed: { instanceId }, body }: Pending): Opened {
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

function withOpened(incoming: Incoming, opening: Opening | undefined): Incoming {
  const opened = opening?.opened;
  if (opened === undefined) throw new Error('a message was left unopened');
  // It is kept as text, to be read later.
  if ('waits' in opened && opening !== undefined && 'sealed' in opening)
    return { ...incoming, opened, body: opening.body, compression: undefined, inflated: undefined };
  if (!('envelope' in opened)) return { ...incoming, opened };
  const sender = opening !== undefined && 'sealed' in opening ? opening.sealed.instanceId : undefined;
  return { ...incoming, opened, sender, senderProof: 'trove' };
}

const rings = new WeakMap<Context, Map<string, InstanceKeys>>();

/** The transport's keys; undefined where its messages are read as they are. */
function keysOf(context: Context, transport: string): InstanceKeys | undefined {
  const entry = context.settings.transports[transport];
  if (entry?.auth !== 'trove') return undefined;
  const ofContext = rings.get(context) ?? new Map<string, InstanceKeys>();
  rings.set(context, ofContext);
  const keys = ofContext.get(transport) ?? new InstanceKeys(entry.instRpcKeyEncrKey ?? '');
  ofContext.set(transport, keys);
  return keys;
}

function asRejected(error: unknown): Rejected {
  if (error instanceof Rejected) return error;
  return new Rejected('crash', `reading the message failed: ${messageOf(error)}`);
}

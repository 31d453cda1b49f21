import { messageOf, Rejected } from '../../core/errors.ts';
import { isSignedBy, readSigned, type SignedMessage } from '../../core/message/signature.ts';
import { inTransaction } from '../postgres/transaction.ts';
import type { RawMessage } from '../raw-message.ts';
import { plainBody } from './read.ts';
import type { KeyName } from './read-sender-keys.ts';
import { type KnownKey, nameOf } from './sender-keys.ts';
import type { ThreadState } from './thread-state.ts';

/** Seconds that the clock of a sender may be ahead. */
const maxAhead = 300;

/** A signed message, or the reason why it is none. Undefined: its body was too large to cross to the worker. */
type Read = { readonly bytes: Buffer; readonly line: SignedMessage } | Rejected | undefined;

/**
 * Checks the signatures of a batch. A message whose signature proves its sender gets the sender, the message id and the content that
 * are signed. Any other message is refused, and gets no answer: its reply address is proven neither.
 *
 * Nobody signs the protocol's properties. So the message id and the reply address among them do not count.
 *
 * @param maxAge milliseconds for which a signature is valid.
 * @throws an error if keys cannot be read. Then all messages are held.
 */
export async function verifyBatch(
  state: ThreadState,
  batch: ReadonlyArray<RawMessage>,
  { maxAge }: { readonly maxAge: number },
): Promise<ReadonlyArray<RawMessage>> {
  const read = batch.map(readLine);
  const keys = await keysFor(state, read);
  const now = Date.now() / 1000;
  return batch.map((raw, index) => {
    const one = read[index];
    if (one === undefined) return { ...raw, isCall: false, messageId: undefined };
    if (one instanceof Rejected) return refused(raw, one);
    const refusal = refusalOf(one, keys, now, maxAge / 1000);
    if (refusal !== undefined) return refused(raw, refusal);
    const { line } = one;
    return {
      ...raw,
      isCall: false,
      messageId: line.messageId || undefined,
      sender: line.sender,
      senderProof: 'hmac',
      signed: line,
    };
  });
}

function refused(raw: RawMessage, rejected: Rejected): RawMessage {
  return { ...raw, isCall: false, unsealed: { rejected, call: undefined } };
}

function readLine(raw: RawMessage): Read {
  if (raw.oversize !== undefined) return undefined;
  try {
    const bytes = plainBody(raw);
    const line = readSigned(bytes);
    return typeof line === 'string' ? unproven(line) : { bytes, line };
  } catch (error) {
    if (error instanceof Rejected) return error;
    return new Rejected('crash', `reading the message failed: ${messageOf(error)}`);
  }
}

/** The keys that the messages name: the kept ones, and the others with one statement. */
async function keysFor(
  state: ThreadState,
  read: ReadonlyArray<Read>,
): Promise<ReadonlyMap<string, KnownKey>> {
  const { senderKeys, pool, settings } = state;
  const { preparedStatements } = settings.database;
  if (senderKeys.isDue()) await inTransaction(pool, { preparedStatements }, (db) => senderKeys.look(db));
  const known = new Map<string, KnownKey>();
  const missing = new Map<string, KeyName>();
  for (const one of read) {
    if (one === undefined || one instanceof Rejected) continue;
    const name = nameOf(one.line);
    if (known.has(name) || missing.has(name)) continue;
    const kept = senderKeys.get(name);
    if (kept === undefined) missing.set(name, one.line);
    else known.set(name, kept);
  }
  if (missing.size === 0) return known;
  const found = await inTransaction(pool, { preparedStatements }, (db) =>
    senderKeys.read(db, [...missing.values()]),
  );
  for (const [name, key] of found) known.set(name, key);
  return known;
}

/** Why a message proves nothing; undefined if it proves its sender. */
function refusalOf(
  { bytes, line }: Exclude<Read, Rejected | undefined>,
  keys: ReadonlyMap<string, KnownKey>,
  now: number,
  maxAge: number,
): Rejected | undefined {
  const { sender, keyId, sent } = line;
  const known = keys.get(nameOf(line));
  const named = `key ${keyId} of ${sender.slice(0, 64)}`;
  if (known === undefined) return unproven(`${named} is not in sender_keys`);
  if (known.key === undefined)
    return unproven(`${named} cannot be opened: it was encrypted under another keys.masterKey`);
  if (!isSignedBy(bytes, known.key)) return unproven(`it is not signed by ${named}`);
  if (known.isRevoked) return unproven(`${named} is revoked`);
  if (now > known.notAfter) return unproven(`${named} has ended`);
  if (sent > now + maxAhead)
    return unproven(
      `it was signed ${Math.round(sent - now)} s ahead of this clock; ${maxAhead} s are accepted`,
    );
  return refusalOfAge(line, maxAge, now);
}

/**
 * The refusal of a signature that is too old; undefined if it is not.
 *
 * @param maxAge and `now` in seconds.
 */
export function refusalOfAge(
  { sent }: SignedMessage,
  maxAge: number,
  now = Date.now() / 1000,
): Rejected | undefined {
  if (sent >= now - maxAge) return undefined;
  return unproven(`it was signed ${Math.round(now - sent)} s ago; ${Math.round(maxAge)} s are accepted`);
}

function unproven(why: string): Rejected {
  return new Rejected('forbidden', `the message does not prove its sender by hmac: ${why}`);
}

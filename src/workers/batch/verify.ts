import { messageOf, Rejected } from '../../core/errors.ts';
import { isSignedBy, readSigned, type SignedMessage } from '../../core/message/signature.ts';
import type { Span } from '../../core/message/span.ts';
import { inTransaction } from '../postgres/transaction.ts';
import type { RawMessage } from '../raw-message.ts';
import { plainSpan } from './read.ts';
import type { KeyName } from './read-sender-keys.ts';
import type { KnownKey } from './sender-keys.ts';
import type { ThreadState } from './thread-state.ts';

/** Seconds that the clock of a sender may be ahead. */
const maxAhead = 300;

/** A body in the signed form. Nothing is proven yet. */
interface Claim {
  readonly body: Span;
  readonly line: SignedMessage;
}

/** A claim, or the reason why there is none. Undefined: the body was too large to cross to the worker. */
type Read = Claim | Rejected | undefined;

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
  const read = batch.map(readClaim);
  const keys = await keysFor(state, read);
  const now = Date.now() / 1000;
  return batch.map((raw, index) => {
    const claim = read[index];
    if (claim === undefined) return { ...raw, isCall: false, messageId: undefined };
    if (claim instanceof Rejected) return refused(raw, claim);
    const refusal = refusalOf(claim, keys[index], now, maxAge / 1000);
    if (refusal !== undefined) return refused(raw, refusal);
    const { line } = claim;
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

function readClaim(raw: RawMessage): Read {
  if (raw.oversize !== undefined) return undefined;
  try {
    const body = plainSpan(raw);
    const line = readSigned(body);
    return typeof line === 'string' ? unproven(line) : { body, line };
  } catch (error) {
    if (error instanceof Rejected) return error;
    return new Rejected('crash', `reading the message failed: ${messageOf(error)}`);
  }
}

/** The key of each message, at its place: the kept ones, and the others with one statement. Undefined: there is none. */
async function keysFor(
  { senderKeys, pool, settings }: ThreadState,
  read: ReadonlyArray<Read>,
): Promise<ReadonlyArray<KnownKey | undefined>> {
  const { preparedStatements } = settings.database;
  if (senderKeys.isDue()) await inTransaction(pool, { preparedStatements }, (db) => senderKeys.look(db));
  const now = performance.now();
  const missing = new Map<string, KeyName>();
  const kept = read.map((claim) => {
    if (claim === undefined || claim instanceof Rejected) return undefined;
    const key = senderKeys.get(claim.line.name, now);
    if (key === undefined) missing.set(claim.line.name, claim.line);
    return key;
  });
  if (missing.size === 0) return kept;
  const found = await inTransaction(pool, { preparedStatements }, (db) =>
    senderKeys.read(db, [...missing.values()]),
  );
  return read.map((claim, index) =>
    claim === undefined || claim instanceof Rejected
      ? undefined
      : (kept[index] ?? found.get(claim.line.name)),
  );
}

/** Why a message proves nothing; undefined if it proves its sender. */
function refusalOf(
  { body, line }: Claim,
  known: KnownKey | undefined,
  now: number,
  maxAge: number,
): Rejected | undefined {
  if (known === undefined) return unproven(`${named(line)} is not in sender_keys`);
  if (known.key === undefined)
    return unproven(`${named(line)} cannot be opened: it was encrypted under another keys.masterKey`);
  if (!isSignedBy(body, known.key)) return unproven(`it is not signed by ${named(line)}`);
  if (known.isRevoked) return unproven(`${named(line)} is revoked`);
  if (now > known.notAfter) return unproven(`${named(line)} has ended`);
  const { sent } = line;
  if (sent > now + maxAhead)
    return unproven(
      `it was signed ${Math.round(sent - now)} s ahead of this clock; ${maxAhead} s are accepted`,
    );
  return refusalOfAge(line, maxAge, now);
}

function named({ keyId, sender }: SignedMessage): string {
  return `key ${keyId} of ${sender.slice(0, 64)}`;
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

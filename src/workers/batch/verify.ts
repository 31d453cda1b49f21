import { messageOf, Rejected } from '../../core/errors.ts';
import { isSignedBy, readSigned, SignedMessage } from '../../core/message/signature.ts';
import { inTransaction } from '../postgres/transaction.ts';
import type { RawMessage } from '../raw-message.ts';
import { plainSpan } from './read.ts';
import type { KeyName } from './read-sender-keys.ts';
import type { KnownKey } from './sender-keys.ts';
import type { ThreadState } from './thread-state.ts';

/** Seconds that the clock of a sender may be ahead. */
const maxAhead = 300;

/** The lines of a message, or the reason why it has none. Undefined: the body was too large to cross to the worker. Nothing is proven yet. */
type Claim = SignedMessage | Rejected | undefined;

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
  const claims = batch.map(readClaim);
  const keys = await keysFor(state, claims);
  const now = Date.now() / 1000;
  return batch.map((raw, index) => {
    const claim = claims[index];
    if (claim === undefined) return { ...raw, isCall: false, messageId: undefined };
    if (claim instanceof Rejected) return refused(raw, claim);
    const known = keys[index];
    if (known === undefined) return refused(raw, unproven(`${named(claim)} is not in sender_keys`));
    const refusal = refusalOf(claim, known, now, maxAge / 1000);
    return refusal === undefined ? proven(raw, claim, known) : refused(raw, refusal);
  });
}

/** The message with what its signature proves. Each property is named, since a copy by `...` makes objects of a slow form. */
function proven(
  raw: RawMessage,
  { sent, begin, messageId }: SignedMessage,
  { sender }: KnownKey,
): RawMessage {
  return {
    bytes: raw.bytes,
    begin: raw.begin,
    end: raw.end,
    oversize: undefined,
    messageId: messageId || undefined,
    // The key's own text: later look-ups by the same text need not read it.
    sender,
    senderProof: 'hmac',
    isCall: false,
    compression: raw.compression,
    inflated: raw.inflated,
    contentBegin: begin,
    signedAt: sent,
  };
}

function refused(raw: RawMessage, rejected: Rejected): RawMessage {
  return { ...raw, isCall: false, unsealed: { rejected, call: undefined } };
}

function readClaim(raw: RawMessage): Claim {
  if (raw.oversize !== undefined) return undefined;
  try {
    const line = readSigned(plainSpan(raw));
    return typeof line === 'string' ? unproven(line) : line;
  } catch (error) {
    if (error instanceof Rejected) return error;
    return new Rejected('crash', `reading the message failed: ${messageOf(error)}`);
  }
}

/** The key of each message, at its place: the kept ones, and the others with one statement. Undefined: there is none. */
async function keysFor(
  { senderKeys, pool, settings }: ThreadState,
  claims: ReadonlyArray<Claim>,
): Promise<ReadonlyArray<KnownKey | undefined>> {
  const { preparedStatements } = settings.database;
  if (senderKeys.isDue()) await inTransaction(pool, { preparedStatements }, (db) => senderKeys.look(db));
  const now = performance.now();
  const missing = new Map<string, KeyName>();
  const kept = claims.map((claim) => {
    if (!(claim instanceof SignedMessage)) return undefined;
    const key = senderKeys.get(claim.name, now);
    if (key === undefined) missing.set(claim.name, claim);
    return key;
  });
  if (missing.size === 0) return kept;
  const found = await inTransaction(pool, { preparedStatements }, (db) =>
    senderKeys.read(db, [...missing.values()]),
  );
  return claims.map((claim, index) =>
    claim instanceof SignedMessage ? (kept[index] ?? found.get(claim.name)) : undefined,
  );
}

/** Why a message proves nothing; undefined if it proves its sender. */
function refusalOf(line: SignedMessage, known: KnownKey, now: number, maxAge: number): Rejected | undefined {
  if (known.key === undefined)
    return unproven(`${named(line)} cannot be opened: it was encrypted under another keys.masterKey`);
  if (!isSignedBy(line.body, known.key)) return unproven(`it is not signed by ${named(line)}`);
  if (known.isRevoked) return unproven(`${named(line)} is revoked`);
  if (known.notAfter !== undefined && now > known.notAfter) return unproven(`${named(line)} has ended`);
  const { sent } = line;
  if (sent > now + maxAhead)
    return unproven(
      `it was signed ${Math.round(sent - now)} s ahead of this clock; ${maxAhead} s are accepted`,
    );
  return refusalOfAge(sent, maxAge, now);
}

function named({ keyId, sender }: SignedMessage): string {
  return `key ${keyId} of ${sender.slice(0, 64)}`;
}

/**
 * The refusal of a signature that is too old; undefined if it is not.
 *
 * @param sent, `maxAge` and `now` in seconds.
 */
export function refusalOfAge(sent: number, maxAge: number, now = Date.now() / 1000): Rejected | undefined {
  if (sent >= now - maxAge) return undefined;
  return unproven(`it was signed ${Math.round(now - sent)} s ago; ${Math.round(maxAge)} s are accepted`);
}

function unproven(why: string): Rejected {
  return new Rejected('forbidden', `the message does not prove its sender by hmac: ${why}`);
}

import { messageOf, Rejected } from '../../../core/errors.ts';
import { isObject, parseObject, textOf } from '../../../core/json.ts';
import { CALL, dead } from '../../../core/message/outcome.ts';
import type { TraceContext } from '../../../core/message/trace-context.ts';
import { wholeBody } from '../../../core/span.ts';
import type { RawMessage } from '../../raw-message.ts';
import type { BatchItem } from '../item.ts';
import { decode } from '../read.ts';
import type { ThreadState } from '../thread-state.ts';
import { unsealEach } from '../unseal-each.ts';
import { deferredItem } from './deferred-item.ts';
import type { LetterMark } from './sql/mark-letters.ts';
import type { StoredLetter } from './sql/read-letters.ts';

/** Letters as items of a batch, and marks for those that cannot be redriven as they are. */
export interface LetterItems {
  readonly items: ReadonlyArray<BatchItem>;
  readonly refused: ReadonlyArray<LetterMark>;
}

/**
 * Makes items of dead letters, as if their messages had just arrived: unsealed, decoded and authorized anew. Rejects if keys cannot be
 * read.
 */
export async function letterItems(
  state: ThreadState,
  transport: string,
  letters: ReadonlyArray<StoredLetter>,
): Promise<LetterItems> {
  const items: BatchItem[] = [];
  const refused: LetterMark[] = [];
  const received: (readonly [StoredLetter, RawMessage])[] = [];
  for (const letter of letters) {
    const { id: letterId, body, wasDeferred, trace } = letter;
    if (body === null) refused.push({ id: letterId, outcome: 'refused' });
    else if (wasDeferred)
      items.push({ ...itemOfArguments(state, transport, body, trace, items.length), letterId });
    else received.push([letter, rawOf(letter, body)]);
  }
  const opened = await unseal(state, transport, received);
  for (const [index, [{ id: letterId }]] of received.entries()) {
    const raw = opened[index];
    if (raw === undefined) throw new Error(`letter ${letterId} was left sealed`);
    const item = decode(raw, items.length, transport, state.manager, state.settings);
    if (item === CALL) refused.push({ id: letterId, outcome: 'refused', isCall: true });
    else items.push({ ...item, letterId });
  }
  return { items, refused };
}

function rawOf(
  { messageId, sender, senderProof, compression, isEdited, trace }: StoredLetter,
  body: Buffer,
): RawMessage {
  return {
    ...wholeBody(body),
    oversize: undefined,
    messageId: messageId ?? undefined,
    sender: sender ?? undefined,
    senderProof: senderProof ?? undefined,
    isCall: false,
    compression: isEdited ? undefined : (compression ?? undefined),
    trace: trace ?? undefined,
  };
}

/**
 * An edited body of a sealed or signed message is plain. Its sender was proven when the message was opened, so it is not unsealed. One that was
 * never opened has no proof: it is refused, unless the edited body is sealed.
 */
async function unseal(
  state: ThreadState,
  transport: string,
  received: ReadonlyArray<readonly [StoredLetter, RawMessage]>,
): Promise<ReadonlyArray<RawMessage | undefined>> {
  const isPlain = ([{ isEdited, senderProof }]: readonly [StoredLetter, RawMessage]) =>
    isEdited && (senderProof === 'trove' || senderProof === 'hmac');
  const sealed = received.filter((one) => !isPlain(one)).map(([, raw]) => raw);
  const opened = (await unsealEach(state, transport, sealed, { anyAge: true })).values();
  return received.map((one) => (isPlain(one) ? one[1] : opened.next().value));
}

/** The body of a message that died in `deferred` is made of its method and its arguments, whatever the transport's codec. */
function itemOfArguments(
  { manager }: ThreadState,
  transport: string,
  body: Buffer,
  trace: TraceContext | null,
  index: number,
): BatchItem {
  try {
    const { method, args } = parseObject(textOf(body), 'the body');
    if (typeof method !== 'string' || !isObject(args))
      throw new Rejected('bad_envelope', 'the body has to be {"method": "...", "args": {...}}');
    return deferredItem({ method, args, transport, trace }, index, manager);
  } catch (error) {
    const task =
      error instanceof Rejected
        ? dead(error.reason, error.message)
        : dead('crash', `reading the message failed: ${messageOf(error)}`);
    const base = { index, transport, raw: undefined, method: undefined, messageId: undefined };
    return { ...base, trace: trace ?? undefined, task };
  }
}

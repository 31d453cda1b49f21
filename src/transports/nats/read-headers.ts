/** Reads the used headers from bytes that a sender has chosen. Never throws. */
import { readsEvents } from '../../core/message/codecs/cloudevents-binary.ts';
import type { DeliveryMeta } from '../../core/transport/contract.ts';
import type { NatsOptions } from './options.ts';
import type { Incoming } from './read.ts';
import { readEvent } from './read-event.ts';

/** Our own headers. The reply address needs one: a stream uses the message's own reply subject for acknowledgements. */
export const header = {
  /** NATS's own header: within `duplicate_window` a stream drops a second message with the same id. */
  messageId: 'Nats-Msg-Id',
  /** The message id of a call. It overrides NATS's own: a call is repeated under its id, and the stream must not drop the repetition. */
  callId: 'Conductor-Message-Id',
  replyTo: 'Conductor-Reply-To',
  correlationId: 'Conductor-Correlation-Id',
  /** The end of the caller's patience, in milliseconds since the epoch. */
  deadline: 'Conductor-Deadline',
} as const;

type Field = keyof typeof header;

/** The values as the sender has written them, trimmed. The first of repeated headers counts. An empty value counts as none. */
export type Headers = { readonly [Key in Field]?: string };

/** The server's status in place of a message. Code 0 means that there is none. */
export interface Status {
  readonly code: number;
  readonly description: string;
  /** Messages of a pull that the server has not sent. */
  readonly pending?: number;
}

interface Wanted {
  readonly field: Field;
  readonly name: Buffer;
}

const wanted: ReadonlyArray<Wanted> = [
  { field: 'messageId', name: Buffer.from(`${header.messageId}:`) },
  { field: 'callId', name: Buffer.from(`${header.callId}:`) },
  { field: 'replyTo', name: Buffer.from(`${header.replyTo}:`) },
  { field: 'correlationId', name: Buffer.from(`${header.correlationId}:`) },
  { field: 'deadline', name: Buffer.from(`${header.deadline}:`) },
];

/** Most messages have no headers. */
const none: Headers = {};
const version = Buffer.from('NATS/1.0');
const [fullStop, digit1] = [0x2e, 0x31];
const [carriageReturn, lineFeed] = [0x0d, 0x0a];
/** The first letters of the names in `header`. */
const [letterC, letterN] = [0x43, 0x4e];

/** Names are case-sensitive, as for the server. Unknown lines are skipped. */
export function readHeaders(block: Buffer): Headers {
  const found: { -readonly [Key in keyof Headers]: Headers[Key] } = {};
  // The first line is the version.
  for (let start = nextLine(block, 0); start < block.length; start = nextLine(block, start)) {
    const first = block[start];
    if (first !== letterC && first !== letterN) continue;
    for (const { field, name } of wanted) {
      if (!beginsWith(block, start, name)) continue;
      // Thousands of lines with the same name cost no text.
      const value = found[field] === undefined ? textOf(block, start + name.length) : '';
      if (value !== '') found[field] = value;
      break;
    }
  }
  return found;
}

/** Reads the first line of a block, `NATS/1.0 404 No Messages`, and one of its headers. */
export function readStatus(block: Buffer | undefined): Status {
  const line = block !== undefined && beginsWith(block, 0, version) ? textOf(block, version.length) : '';
  const [, code = '0', description = ''] = /^(\d{3})(?: +(.*))?$/s.exec(line) ?? [];
  const pending = block && /\r\nNats-Pending-Messages: *(\d+)/.exec(block.toString('latin1'))?.[1];
  return { code: Number(code), description, ...(pending !== undefined && { pending: Number(pending) }) };
}

/** The offset of the line after the one at `from`; the block's length if there is none. */
function nextLine(block: Buffer, from: number): number {
  for (let at = from + 1; at < block.length; at += 1)
    if (block[at] === lineFeed && block[at - 1] === carriageReturn) return at + 1;
  return block.length;
}

function beginsWith(block: Buffer, start: number, name: Buffer): boolean {
  for (let index = 0; index < name.length; index += 1) if (block[start + index] !== name[index]) return false;
  return true;
}

/** The text from `from` to the end of the line. U+FFFD replaces bytes that are not UTF-8. */
function textOf(block: Buffer, from: number): string {
  let end = from;
  while (end < block.length && !(block[end] === carriageReturn && block[end + 1] === lineFeed)) end += 1;
  return block.toString('utf8', from, end).trim();
}

/** The bytes of the message's header block, not copied; undefined if it has none. */
export function blockOf({ bytes, blockAt, bodyAt }: Incoming): Buffer | undefined {
  return blockAt < bodyAt ? bytes.subarray(blockAt, bodyAt) : undefined;
}

/** Reads everything but the bodies of the messages of one session. */
export class MetaReader {
  private readonly bySubject: boolean;
  private readonly readsEvents: boolean;
  /** The metadata of a message without values of its own. Most messages of a chunk share it. */
  private silent: DeliveryMeta | undefined;

  constructor(options: Pick<NatsOptions, 'auth' | 'codec'>) {
    this.bySubject = options.auth.mode === 'subject';
    this.readsEvents = readsEvents(options);
  }

  /** @param answerTo the reply address if no header gives one; in core NATS, the message's own reply subject. */
  read(message: Incoming, redelivered: boolean, answerTo?: string): DeliveryMeta {
    const { bySubject, silent } = this;
    const { receivedAt } = message;
    const block = blockOf(message);
    const isSilent = !bySubject && block === undefined && !redelivered && answerTo === undefined;
    if (isSilent && silent?.receivedAt === receivedAt) return silent;
    const headers = block === undefined ? none : readHeaders(block);
    const meta: DeliveryMeta = {
      messageId: headers.callId ?? headers.messageId,
      replyTo: headers.replyTo ?? answerTo,
      correlationId: headers.correlationId,
      deadline: deadlineOf(headers, receivedAt),
      sender: bySubject ? senderOf(message) : undefined,
      senderProof: bySubject ? 'subject' : undefined,
      redelivered,
      receivedAt,
    };
    if (isSilent) this.silent = meta;
    const event = this.readsEvents && block !== undefined ? readEvent(block) : undefined;
    return event === undefined ? meta : { ...meta, event };
  }
}

/** The last token of the subject. */
function senderOf({ bytes, subjectAt, subjectEnd }: Incoming): string {
  let begin = subjectEnd;
  while (begin > subjectAt && bytes[begin - 1] !== fullStop) begin -= 1;
  return bytes.toString('utf8', begin, subjectEnd);
}

/** @param now milliseconds of the monotonic clock. The header's deadline is one of the wall clock. */
function deadlineOf({ deadline }: Headers, now: number): number | undefined {
  if (deadline === undefined || !/^\d{1,15}$/.test(deadline)) return undefined;
  return now + Number(deadline) - Date.now();
}

/**
 * The offset of the delivery count in the reply subject of a stream's message:
 * `$JS.ACK.<stream>.<consumer>.<delivered>.<stream sequence>.<consumer sequence>.<time>.<pending>`, or with domain and account before
 * the stream and a random token at the end (ADR-15 of the NATS architecture). It is the same for all messages of a consumer.
 */
export function deliveredAt({ bytes, replyAt, replyEnd }: Incoming): number {
  const tokens = bytes.toString('latin1', replyAt, replyEnd).split('.');
  const before = tokens.length === 9 ? 4 : 6;
  return tokens.slice(0, before).join('.').length + 1;
}

/** @param countAt the offset that `deliveredAt` returns. */
export function isRedelivered({ bytes, replyAt }: Incoming, countAt: number): boolean {
  const at = replyAt + countAt;
  return bytes[at] !== digit1 || bytes[at + 1] !== fullStop;
}

/** Reads the few things that mean something to us out of bytes that a sender has chosen. Never throws. */
import type { DeliveryMeta } from '../../core/transport/contract.ts';
import type { NatsOptions } from './options.ts';
import type { Incoming } from './read.ts';

/** Headers of our own. The reply address needs one, since a stream uses a message's own for its acknowledgement. */
export const header = {
  /** NATS's own: within a stream's `duplicate_window` a second message with the same id is not kept. */
  messageId: 'Nats-Msg-Id',
  replyTo: 'Conductor-Reply-To',
  correlationId: 'Conductor-Correlation-Id',
  /** Milliseconds since the epoch, after which nobody waits for the answer. */
  deadline: 'Conductor-Deadline',
} as const;

type Field = keyof typeof header;

/** As the sender has written them, trimmed. One that is there more than once counts as it stands first; an empty one is none. */
export type Headers = { readonly [Key in Field]?: string };

/** The server's word in place of a message. A code of 0 means that there is none. */
export interface Status {
  readonly code: number;
  readonly description: string;
  /** Messages that a pull has asked for and the server has not sent. */
  readonly pending?: number;
}

interface Wanted {
  readonly field: Field;
  readonly name: Buffer;
}

const wanted: ReadonlyArray<Wanted> = [
  { field: 'messageId', name: Buffer.from(`${header.messageId}:`) },
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

/** Case counts, as it does for the server. A line that is none of ours is skipped, whatever it is. */
export function readHeaders(block: Buffer): Headers {
  const found: { -readonly [Key in keyof Headers]: Headers[Key] } = {};
  // The first line is the version.
  for (let start = nextLine(block, 0); start < block.length; start = nextLine(block, start)) {
    const first = block[start];
    if (first !== letterC && first !== letterN) continue;
    for (const { field, name } of wanted) {
      if (!beginsWith(block, start, name)) continue;
      const value = textOf(block, start + name.length);
      if (value !== '') found[field] ??= value;
      break;
    }
  }
  return found;
}

/** Out of the first line of a block, `NATS/1.0 404 No Messages`, and one header of those that follow it. */
export function readStatus(block: Buffer | undefined): Status {
  const line = block !== undefined && beginsWith(block, 0, version) ? textOf(block, version.length) : '';
  const [, code = '0', description = ''] = /^(\d{3})(?: +(.*))?$/s.exec(line) ?? [];
  const pending = block && /\r\nNats-Pending-Messages: *(\d+)/.exec(block.toString('latin1'))?.[1];
  return { code: Number(code), description, ...(pending !== undefined && { pending: Number(pending) }) };
}

/** Where the line begins that follows the one at `from`; the block's length if none does. */
function nextLine(block: Buffer, from: number): number {
  for (let at = from + 1; at < block.length; at += 1)
    if (block[at] === lineFeed && block[at - 1] === carriageReturn) return at + 1;
  return block.length;
}

function beginsWith(block: Buffer, start: number, name: Buffer): boolean {
  for (let index = 0; index < name.length; index += 1) if (block[start + index] !== name[index]) return false;
  return true;
}

/** From there to the end of the line; with U+FFFD in place of what is not UTF-8. */
function textOf(block: Buffer, from: number): string {
  let end = from;
  while (end < block.length && !(block[end] === carriageReturn && block[end + 1] === lineFeed)) end += 1;
  return block.toString('utf8', from, end).trim();
}

/** The bytes of the header block, which are the message's own and not copied; undefined if it has none. */
export function blockOf({ bytes, blockAt, bodyAt }: Incoming): Buffer | undefined {
  return blockAt < bodyAt ? bytes.subarray(blockAt, bodyAt) : undefined;
}

/** Reads everything but the bodies of the messages of one session. */
export class MetaReader {
  private readonly bySubject: boolean;
  /** Of a message that says nothing: most of a chunk are alike. */
  private silent: DeliveryMeta | undefined;

  constructor({ auth }: Pick<NatsOptions, 'auth'>) {
    this.bySubject = auth.mode === 'subject';
  }

  /** @param answerTo where the answer goes if no header says it: of core NATS, the message's own reply subject. */
  read(message: Incoming, redelivered: boolean, answerTo?: string): DeliveryMeta {
    const { bySubject, silent } = this;
    const { receivedAt } = message;
    const block = blockOf(message);
    const isSilent = !bySubject && block === undefined && !redelivered && answerTo === undefined;
    if (isSilent && silent?.receivedAt === receivedAt) return silent;
    const headers = block === undefined ? none : readHeaders(block);
    const meta: DeliveryMeta = {
      messageId: headers.messageId,
      replyTo: headers.replyTo ?? answerTo,
      correlationId: headers.correlationId,
      deadline: deadlineOf(headers, receivedAt),
      sender: bySubject ? senderOf(message) : undefined,
      senderProof: bySubject ? 'subject' : undefined,
      redelivered,
      receivedAt,
    };
    if (isSilent) this.silent = meta;
    return meta;
  }
}

/** The last token of the subject. */
function senderOf({ bytes, subjectAt, subjectEnd }: Incoming): string {
  let begin = subjectEnd;
  while (begin > subjectAt && bytes[begin - 1] !== fullStop) begin -= 1;
  return bytes.toString('utf8', begin, subjectEnd);
}

/** @param now of the monotonic clock; the header's deadline is one of the wall clock. */
function deadlineOf({ deadline }: Headers, now: number): number | undefined {
  if (deadline === undefined || !/^\d{1,15}$/.test(deadline)) return undefined;
  return now + Number(deadline) - Date.now();
}

/**
 * Where in what a message of a stream is acknowledged by its count of deliveries begins, from its first byte:
 * `$JS.ACK.<stream>.<consumer>.<delivered>.<stream sequence>.<consumer sequence>.<time>.<pending>`, or with domain and account before
 * the stream, and something random at the end (ADR-15 of the NATS architecture). The same for all messages of a consumer.
 */
export function deliveredAt({ bytes, replyAt, replyEnd }: Incoming): number {
  const tokens = bytes.toString('latin1', replyAt, replyEnd).split('.');
  const before = tokens.length === 9 ? 4 : 6;
  return tokens.slice(0, before).join('.').length + 1;
}

/** @param countAt as `deliveredAt` has it. */
export function isRedelivered({ bytes, replyAt }: Incoming, countAt: number): boolean {
  const at = replyAt + countAt;
  return bytes[at] !== digit1 || bytes[at + 1] !== fullStop;
}

/** Reads the few headers that mean something to us out of a block that its sender has chosen. Never throws. */

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

/** What the server says in place of a message; 0: nothing. */
export interface Status {
  readonly code: number;
  readonly description: string;
  /** Of what a pull has asked for, the messages that the server has not sent. */
  readonly pending?: number;
}

interface Wanted {
  readonly field: Field;
  readonly name: Uint8Array;
}

const encoder = new TextEncoder();
/** Puts U+FFFD in place of what is not UTF-8. */
const decoder = new TextDecoder();

const wanted: ReadonlyArray<Wanted> = [
  { field: 'messageId', name: encoder.encode(`${header.messageId}:`) },
  { field: 'replyTo', name: encoder.encode(`${header.replyTo}:`) },
  { field: 'correlationId', name: encoder.encode(`${header.correlationId}:`) },
  { field: 'deadline', name: encoder.encode(`${header.deadline}:`) },
];

const version = encoder.encode('NATS/1.0');
const [carriageReturn, lineFeed] = [0x0d, 0x0a];
/** What the names of `header` begin with. */
const [letterC, letterN] = [0x43, 0x4e];

/** Case counts, as it does for the server. A line that is none of ours is skipped, whatever it is. */
export function readHeaders(block: Uint8Array): Headers {
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
export function readStatus(block: Uint8Array | undefined): Status {
  const line = block !== undefined && beginsWith(block, 0, version) ? textOf(block, version.length) : '';
  const [, code = '0', description = ''] = /^(\d{3})(?: +(.*))?$/s.exec(line) ?? [];
  const pending = block && /\r\nNats-Pending-Messages: *(\d+)/.exec(decoder.decode(block))?.[1];
  return { code: Number(code), description, ...(pending !== undefined && { pending: Number(pending) }) };
}

/** Where the line begins that follows the one at `from`; the block's length if none does. */
function nextLine(block: Uint8Array, from: number): number {
  for (let at = from + 1; at < block.length; at += 1)
    if (block[at] === lineFeed && block[at - 1] === carriageReturn) return at + 1;
  return block.length;
}

function beginsWith(block: Uint8Array, start: number, name: Uint8Array): boolean {
  for (let index = 0; index < name.length; index += 1) if (block[start + index] !== name[index]) return false;
  return true;
}

/** From there to the end of the line. */
function textOf(block: Uint8Array, from: number): string {
  let end = from;
  while (end < block.length && !(block[end] === carriageReturn && block[end + 1] === lineFeed)) end += 1;
  return decoder.decode(block.subarray(from, end)).trim();
}
